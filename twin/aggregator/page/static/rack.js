// One rack in detail: its GPUs and NIC ports as matrices of servers, the rest as tables.

import {ramp} from "./colour.js";
import {byId, make} from "./dom.js";
import {NONE, number, quantity} from "./format.js";

/** @typedef {import("./types.js").Site} Site */
/** @typedef {import("./types.js").Rack} Rack */
/** @typedef {import("./types.js").Group} Group */
/** @typedef {import("./types.js").Column} Column */

export class RackPanel {
  /**
   * @param {Site} site
   * @param {() => void} onClose
   * @param {?((rack: string) => void)} onInject null when faults cannot be injected from here
   */
  constructor(site, onClose, onInject) {
    this.site = site;
    this.onClose = onClose;
    this.onInject = onInject;
    this.panel = byId("rack");
    /** @type {?Rack} */
    this.last = null;
    /** @type {Record<string, Record<string, (?number)[]>>} rates of counters, by group and column */
    this.rates = {};
    /** @type {Record<string, string>} column that a matrix shows, by group */
    this.chosen = Object.fromEntries(site.devices.map((group) => [group.key, group.columns[0]?.key ?? ""]));
    this.panel.onkeydown = (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && this.onClose();
  }

  /** @param {string} name of the rack that will come */
  open(name) {
    this.last = null;
    this.rates = {};
    this.panel.hidden = false;
    this.panel.replaceChildren(this.head(name, ""), make("p", {className: "soft"}, "loading …"));
    this.panel.focus({preventScroll: true});
  }

  close() {
    this.panel.hidden = true;
    this.last = null;
  }

  /** @param {Rack} rack */
  show(rack) {
    if (this.panel.hidden) return;
    this.count(rack);
    this.last = rack;
    this.render();
  }

  /** Turn counters into rates, by the time between two frames. @param {Rack} rack */
  count(rack) {
    const before = this.last;
    if (!before || before.rack !== rack.rack || before.time === null || rack.time === null || rack.time <= before.time) return;
    const elapsed = rack.time - before.time;
    for (const group of this.site.devices) {
      for (const column of group.columns.filter((one) => one.counter)) {
        const old = before.devices[group.key][column.key];
        this.rates[group.key] ??= {};
        this.rates[group.key][column.key] = rack.devices[group.key][column.key].map((value, i) => {
          const from = old[i];
          return value === null || from === null || value < from ? null : (value - from) / elapsed;
        });
      }
    }
  }

  render() {
    const rack = this.last;
    if (!rack) return;
    const select = document.activeElement instanceof HTMLSelectElement && this.panel.contains(document.activeElement);
    if (select) return; // an open list must not be rebuilt under the reader's hand
    const top = this.panel.scrollTop;
    const closing = document.activeElement?.id === "rack-close";
    const groups = this.site.devices.map((group) => (group.rows ? this.matrix(group, rack) : this.table(group, rack)));
    this.panel.replaceChildren(
      this.head(rack.rack, `${rack.array}, hall ${rack.hall} · ${rack.gpu_model} · ${rack.source}`),
      make("ul", {className: "troubles"}, ...this.words(rack).map((text) => make("li", {}, text))),
      this.figures(rack), ...groups,
    );
    this.panel.scrollTop = top;
    if (closing) byId("rack-close").focus();
  }

  /** @param {Rack} rack */
  words(rack) {
    return rack.reporting ? rack.troubles : [`does not report: ${(rack.missing ?? "").replaceAll("_", " ")}`];
  }

  /** @param {string} name @param {string} place */
  head(name, place) {
    const close = make("button", {type: "button", id: "rack-close", onclick: () => this.onClose(), aria: {"aria-label": "Close the rack"}}, "Close");
    const buttons = make("div", {className: "buttons"}, close);
    const {onInject} = this;
    if (onInject) buttons.prepend(make("button", {type: "button", onclick: () => onInject(name)}, "Inject here …"));
    return make("header", {}, make("div", {className: "title"}, make("h2", {id: "rack-title"}, `Rack ${name}`), make("span", {className: "soft"}, place)), buttons);
  }

  /** @param {Rack} rack */
  figures(rack) {
    const quantities = this.site.signals.filter((signal) => !signal.steps.length);
    return make("dl", {}, ...quantities.flatMap((signal) => [
      make("dt", {className: "soft"}, `${signal.title}, ${signal.help}`),
      make("dd", {}, quantity(rack.figures[signal.key], signal.unit, signal.decimals)),
    ]));
  }

  /** @param {Group} group @param {Column} column @param {Rack} rack */
  values(group, column, rack) {
    if (column.counter) return this.rates[group.key]?.[column.key] ?? rack.devices[group.key][column.key].map(() => null);
    return rack.devices[group.key][column.key];
  }

  /** @param {Group} group @param {Rack} rack */
  matrix(group, rack) {
    const column = group.columns.find((one) => one.key === this.chosen[group.key]) ?? group.columns[0];
    const values = this.values(group, column, rack);
    const perServer = group.count / group.rows;
    const select = make("select", {
      aria: {"aria-label": `What to show of the ${group.title}`},
      onchange: (/** @type {any} */ event) => {
        this.chosen[group.key] = event.target.value;
        event.target.blur();
        this.render();
      },
    }, ...group.columns.map((one) => make("option", {value: one.key, selected: one === column}, one.unit ? `${one.title}, ${one.unit}` : one.title)));
    const cells = values.flatMap((value, i) => {
      const cell = this.cell(group, column, value, i, rack);
      return i % perServer ? [cell] : [make("span", {className: "name"}, `n${i / perServer + 1}`), cell];
    });
    const grid = make("div", {className: "matrix", aria: {role: "group", "aria-label": `${group.title}, a row a server`}}, ...cells);
    grid.style.gridTemplateColumns = `1.8rem repeat(${perServer}, minmax(0, 1fr))`;
    return make("section", {}, make("div", {className: "choose"}, make("h3", {}, group.title), select), grid);
  }

  /** @param {Group} group @param {Column} column @param {?number} value @param {number} index @param {Rack} rack */
  cell(group, column, value, index, rack) {
    const all = group.columns.map((one) => `${one.title}: ${show(one, this.values(group, one, rack)[index])}`).join("\n");
    if (column.counter && !this.rates[group.key]) return make("span", {title: "known with the next frame"}, "…");
    if (value === null) return make("span", {className: "missing", title: all}, NONE);
    const cell = make("span", {title: all}, column.states[value] ?? number(value));
    const share = shareOf(column, value);
    if (share !== null) {
      const colour = ramp(share);
      cell.style.background = colour.fill;
      cell.style.color = colour.ink;
    }
    return cell;
  }

  /** @param {Group} group @param {Rack} rack */
  table(group, rack) {
    const heads = group.columns.map((column) => make("th", {scope: "col"}, column.title));
    const rows = Array.from({length: group.count}, (_, i) => make("tr", {},
      make("td", {}, String(i + 1)), ...group.columns.map((column) => make("td", {}, show(column, rack.devices[group.key][column.key][i])))));
    return make("section", {}, make("h3", {}, group.title), make("div", {className: "scroll"},
      make("table", {}, make("thead", {}, make("tr", {}, make("th", {scope: "col"}, ""), ...heads)), make("tbody", {}, ...rows))));
  }
}

/** @param {Column} column @param {?number} value */
function show(column, value) {
  if (value === null) return NONE;
  return column.states[value] ?? quantity(value, column.unit, column.counter ? 0 : column.decimals);
}

/** @param {Column} column @param {number} value @returns {?number} its place on the colour scale */
function shareOf(column, value) {
  if (column.low === null || column.high === null) return null;
  return (value - column.low) / (column.high - column.low);
}

// What happens, newest first, and the faults in force.

import {byId, make} from "./dom.js";
import {clock} from "./format.js";

/** @typedef {import("./types.js").SiteEvent} SiteEvent */
/** @typedef {import("./types.js").Fault} Fault */

const MOST = 200;
const SIGNS = {info: "·", good: "✓", warning: "▲", critical: "■"};

export class Events {
  /**
   * @param {(target: string) => void} onTarget
   * @param {?((fault: Fault) => void)} onClear null when faults cannot be cleared from here
   */
  constructor(onTarget, onClear) {
    this.list = byId("events");
    this.onTarget = onTarget;
    this.onClear = onClear;
    this.last = 0;
    this.shown = "";
    this.clear();
  }

  /** @param {SiteEvent[]} events oldest first */
  add(events) {
    const fresh = events.filter((event) => event.id > this.last);
    if (!fresh.length) return;
    this.list.querySelector(".none")?.remove();
    this.list.prepend(...fresh.map((event) => this.row(event)).reverse());
    this.last = fresh[fresh.length - 1].id;
    while (this.list.children.length > MOST) this.list.lastChild.remove();
  }

  /** @param {SiteEvent} event */
  row(event) {
    const {target} = event;
    const text = target && /^r\d/.test(target)
      ? make("button", {type: "button", onclick: () => this.onTarget(target)}, event.text)
      : make("span", {}, event.text);
    const sign = make("span", {className: event.level, title: event.level}, SIGNS[event.level]);
    return make("li", {}, make("time", {}, clock(event.ts)), sign, text);
  }

  /** @param {Fault[]} faults in force */
  showFaults(faults) {
    const key = JSON.stringify(faults);
    if (key === this.shown) return;
    this.shown = key;
    byId("active").replaceChildren(...faults.slice(0, 12).map((fault) => {
      const chip = make("span", {}, `${fault.fault} ${fault.target}`);
      const {onClear} = this;
      if (onClear) {
        chip.append(make("button", {type: "button", onclick: () => onClear(fault), aria: {"aria-label": `Clear ${fault.fault} on ${fault.target}`}}, "clear"));
      }
      return chip;
    }));
  }

  clear() {
    this.last = 0;
    this.list.replaceChildren(make("li", {className: "none"}, "Nothing has happened yet."));
  }
}

// Faults from the page, when the aggregator was started with --allow-inject.

import {byId, make} from "./dom.js";

/** @typedef {import("./types.js").Site} Site */
/** @typedef {import("./types.js").FaultKind} FaultKind */
/** @typedef {import("./types.js").Fault} Fault */

const TOKEN = "twin-token"; // of this tab only: another one, or another port, does not see it

/** Keep the token that was entered or came with the address. @param {?string} token */
export function keepToken(token) {
  if (token) sessionStorage.setItem(TOKEN, token);
}

/**
 * Send a command and return the emulator's answer.
 * @param {"inject"|"clear"} kind
 * @param {Record<string, any>} command
 * @returns {Promise<{accepted: boolean, detail: string}>}
 */
export async function send(kind, command) {
  try {
    const token = sessionStorage.getItem(TOKEN) ?? "";
    const answer = await fetch(`api/${kind}`, {
      method: "POST",
      headers: {"Content-Type": "application/json", "X-Twin-Command": "page", "Authorization": `Bearer ${token}`},
      body: JSON.stringify(command),
    });
    return await answer.json();
  } catch {
    return {accepted: false, detail: "The aggregator does not answer."};
  }
}

export class InjectDialog {
  /** @param {Site} site */
  constructor(site) {
    this.site = site;
    this.dialog = byId("inject");
    this.kind = make("select", {name: "fault", onchange: () => this.choose()}, ...groupsOf(site.faults));
    this.target = make("input", {name: "target", required: true, autocomplete: "off", spellcheck: false});
    this.seconds = make("input", {name: "seconds", type: "number", min: "1", step: "any"});
    this.token = make("input", {name: "token", type: "password", autocomplete: "off", required: true});
    this.shows = make("p", {className: "soft"});
    this.parameters = make("div");
    this.result = make("output");
    this.submit = make("button", {className: "primary"}, "Inject");
    const form = make("form", {method: "dialog", onsubmit: (/** @type {Event} */ event) => this.send(event)},
      field("Fault", this.kind), this.shows, field("Target", this.target), field("Seconds", this.seconds), this.parameters,
      field("Token", this.token), this.result,
      make("div", {className: "buttons"}, make("button", {type: "button", onclick: () => this.dialog.close()}, "Close"), this.submit));
    this.dialog.replaceChildren(make("h2", {id: "inject-title"}, "Inject a fault"), form);
    this.rack = "";
  }

  /** @param {string} [rack] to strike, when the fault strikes racks or their parts */
  open(rack = "") {
    this.rack = rack;
    this.result.textContent = "";
    this.token.value = sessionStorage.getItem(TOKEN) ?? "";
    this.choose();
    this.dialog.showModal();
  }

  /** End a fault; if that is refused, say why where the token can be entered. @param {Fault} fault */
  async clear(fault) {
    const answer = await send("clear", {fault: fault.fault, target: fault.target});
    if (answer.accepted) return;
    if (!this.dialog.open) this.open();
    this.show(answer);
  }

  /** Fill in the defaults of the chosen fault. */
  choose() {
    const fault = this.fault;
    this.shows.textContent = `${fault.title[0].toUpperCase()}${fault.title.slice(1)}. ${fault.shows}`;
    this.target.value = this.rack ? fault.default_target.replace(/^r\d+/, this.rack) : fault.default_target;
    this.seconds.value = String(fault.default_seconds);
    this.parameters.replaceChildren(...fault.parameters.map((parameter) => {
      const input = make("input", {name: parameter.name, type: "number", step: "any", value: String(parameter.default), title: parameter.description});
      return field(parameter.name, input);
    }));
  }

  /** @returns {FaultKind} */
  get fault() {
    return /** @type {FaultKind} */ (this.site.faults.find((fault) => fault.fault === this.kind.value));
  }

  /** @param {Event} event */
  async send(event) {
    event.preventDefault();
    keepToken(this.token.value.trim());
    this.submit.disabled = true;
    const inputs = [...this.parameters.querySelectorAll("input")].filter((input) => input.value !== "");
    const answer = await send("inject", {
      fault: this.fault.fault,
      target: this.target.value.trim(),
      duration: this.seconds.value ? Number(this.seconds.value) : null,
      parameters: Object.fromEntries(inputs.map((input) => [input.name, Number(input.value)])),
    });
    this.submit.disabled = false;
    this.show(answer);
  }

  /** @param {{accepted: boolean, detail: string}} answer */
  show(answer) {
    this.result.className = answer.accepted ? "" : "bad";
    this.result.textContent = answer.detail;
  }
}

/** @param {string} name @param {HTMLElement} input */
function field(name, input) {
  return make("label", {}, make("span", {}, name), input);
}

/** @param {FaultKind[]} faults */
function groupsOf(faults) {
  const systems = [...new Set(faults.map((fault) => fault.system))];
  return systems.map((system) => make("optgroup", {label: system}, ...faults.filter((fault) => fault.system === system)
    .map((fault) => make("option", {value: fault.fault}, fault.fault))));
}

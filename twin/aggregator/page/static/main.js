// The live page: what the stream brings goes to the floor, the lines, the events and a rack.

import {Alerts} from "./alerts.js";
import {followArrays} from "./arrays.js";
import {Charts} from "./charts.js";
import {byId, make, setText} from "./dom.js";
import {Events} from "./events.js";
import {showFigures} from "./figures.js";
import {Floor} from "./floor.js";
import {clock, day} from "./format.js";
import {InjectDialog, keepToken} from "./inject.js";
import {RackPanel} from "./rack.js";
import {Stream} from "./stream.js";

/** @typedef {import("./types.js").Site} Site */
/** @typedef {import("./types.js").Update} Update */

const RETRY_MS = 1000;

class Page {
  /** @param {Site} site */
  constructor(site) {
    this.site = site;
    const address = new URLSearchParams(location.hash.slice(1));
    keepToken(address.get("token"));
    this.signal = site.signals.find((signal) => signal.key === address.get("signal")) ?? site.signals[0];
    /** @type {?string} name of the open rack */
    this.rack = null;
    const dialog = site.allow_inject ? new InjectDialog(site) : null;
    this.floor = new Floor(site, (rack) => this.open(rack));
    this.charts = new Charts(site.charts);
    this.events = new Events((target) => this.open(target.split("/")[0]),
      dialog && ((fault) => dialog.clear(fault)));
    this.alerts = new Alerts((rack) => this.floor.index.has(rack) && this.open(rack));
    this.panel = new RackPanel(site, () => this.close(), dialog && ((rack) => dialog.open(rack)));
    byId("strike").hidden = dialog === null;
    byId("strike").onclick = () => dialog?.open(this.rack ?? "");
    this.offerSignals();
    this.linkOthers();
    this.stream = new Stream((update) => this.take(update), (lost) => this.tell(lost));
    this.stream.onLost = () => this.ask();
    this.floor.colourBy(this.signal);
    const rack = address.get("rack");
    if (rack && this.floor.index.has(rack)) this.open(rack);
    else this.ask();
    addEventListener("keydown", (event) => event.key === "Escape" && !byId("inject").open && this.close());
    // The address was changed, or a link to a rack was followed.
    addEventListener("hashchange", () => location.reload());
    followArrays();
  }

  offerSignals() {
    byId("signals").replaceChildren(...this.site.signals.map((signal) => {
      const input = make("input", {type: "radio", name: "signal", value: signal.key, checked: signal === this.signal});
      input.onchange = () => {
        this.signal = signal;
        this.floor.colourBy(signal);
        this.ask();
      };
      return make("label", {title: signal.help}, input, make("span", {}, signal.title));
    }));
  }

  /** Link the pages of the sites that stand beside this one. */
  linkOthers() {
    const links = Object.entries(this.site.beside).map(([name, at]) => make("a",
      {href: at.startsWith(":") ? `${location.protocol}//${location.hostname}${at}/` : at}, name));
    byId("beside").replaceChildren(...links);
    byId("beside").hidden = links.length === 0;
  }

  /** Ask the stream for what is looked at, from where we are. */
  ask() {
    const {newest} = this.charts;
    const state = {signal: this.signal.key, rack: this.rack ?? ""};
    const kept = new URLSearchParams(Object.entries(state).filter(([, value]) => value));
    history.replaceState(null, "", `#${kept}`);
    this.stream.ask({...state, since: newest ? String(newest) : "", event: String(this.events.last)});
  }

  /** @param {string} rack */
  open(rack) {
    this.rack = rack;
    this.floor.mark(rack);
    this.panel.open(rack);
    this.ask();
  }

  close() {
    if (this.rack === null) return;
    this.rack = null;
    this.floor.mark(null);
    this.panel.close();
    byId("cells").focus({preventScroll: true});
    this.ask();
  }

  /** @param {Update} update */
  take(update) {
    // The aggregator was started anew: its events are others, and perhaps its site is too.
    if (update.boot !== this.site.boot) {
      location.reload();
      return;
    }
    this.update = update;
    this.charts.add(update.points);
    this.events.add(update.events);
    this.draw();
  }

  draw() {
    const {update} = this;
    if (!update) return;
    const {summary} = update;
    showFigures(summary);
    if (update.floor.signal === this.signal.key) this.floor.show(update.floor.values, summary.faults);
    this.charts.draw();
    this.events.showFaults(summary.faults);
    this.alerts.show(update.alerts);
    if (update.rack && update.rack.rack === this.rack) this.panel.show(update.rack);
    const time = summary.simulated_time;
    setText(byId("time"), time === null ? "" : `${day(time)} ${clock(time)} UTC, simulated`);
    document.documentElement.dataset.ready = "yes";
  }

  /** Say whether the page is live. @param {?Date} lost since when nothing came */
  tell(lost) {
    document.body.classList.toggle("stale", lost !== null);
    byId("stale").hidden = lost === null;
    if (lost !== null) {
      const since = `stale since ${lost.toTimeString().slice(0, 8)}`;
      setText(byId("stale"), `${since}: the aggregator does not answer`);
      this.state("stale", `${since}, trying again`);
    } else if (this.update && !this.update.summary.broker_connected) {
      this.state("warning", "the broker is not connected");
    } else if (this.update && !this.update.summary.racks_reporting) {
      this.state("warning", "no rack is reporting");
    } else {
      this.state("live", "live");
    }
  }

  /** @param {string} state @param {string} text */
  state(state, text) {
    byId("state").dataset.state = state;
    setText(byId("state"), text);
  }
}

async function start() {
  try {
    const site = await (await fetch("api/site", {cache: "no-store"})).json();
    Object.assign(globalThis, {page: new Page(site)});
  } catch (error) {
    console.warn("The aggregator does not answer yet.", error);
    setTimeout(start, RETRY_MS);
  }
}

start();

// The alerts that fire, where a Prometheus or an Alertmanager is known.

import {byId, make, setText} from "./dom.js";

/** @typedef {import("./types.js").FiringAlerts} FiringAlerts */
/** @typedef {import("./types.js").FiringAlert} FiringAlert */

const SIGNS = {critical: "■", warning: "▲"};
const UNKNOWN = "Alerts are not shown: no Prometheus or Alertmanager is known here. Start with --prometheus URL or --alertmanager URL.";

export class Alerts {
  /** @param {(rack: string) => void} onRack */
  constructor(onRack) {
    this.onRack = onRack;
    this.shown = "";
  }

  /** @param {FiringAlerts} known */
  show(known) {
    const key = JSON.stringify(known);
    if (key === this.shown) return;
    this.shown = key;
    setText(byId("alerts-said"), said(known));
    byId("alerts").replaceChildren(...known.alerts.map((alert) => this.row(alert)));
  }

  /** @param {FiringAlert} alert */
  row(alert) {
    const devices = alert.devices > 1 ? `, ${alert.devices} devices` : "";
    const text = `${alert.name}${alert.place ? ` ${alert.place}` : ""}${devices}`;
    const title = alert.summary || text;
    const name = alert.rack
      ? make("button", {type: "button", title, onclick: () => this.onRack(alert.rack)}, text)
      : make("span", {title}, text);
    const level = alert.severity in SIGNS ? alert.severity : "info";
    return make("li", {}, make("span", {className: level, title: alert.severity}, SIGNS[alert.severity] ?? "·"), name);
  }
}

/** @param {FiringAlerts} known */
function said({source, problem, count, alerts}) {
  if (source === null) return UNKNOWN;
  if (problem !== null) return `Alerts are not known: ${source}: ${problem}.`;
  if (!count) return `No alert fires, says ${source}.`;
  const told = alerts.reduce((sum, alert) => sum + alert.devices, 0);
  const most = count > told ? `, the worst ${told} of them below` : "";
  return `${count} alert${count === 1 ? "" : "s"} firing${most}, says ${source}.`;
}

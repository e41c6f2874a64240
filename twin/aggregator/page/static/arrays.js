// The arrays as a table, asked for only while it is open: what the floor shows, in words.

import {byId, make} from "./dom.js";
import {number, quantity} from "./format.js";

const PERIOD_MS = 5000;

/** @param {any} array figures of one array in api/summary */
function row(array) {
  const link = make("a", {href: `arrays/${array.name}/metrics`}, array.name);
  const reporting = make("td", {className: array.racks_reporting < array.racks ? "bad" : ""}, `${number(array.racks_reporting)} of ${number(array.racks)}`);
  return make("tr", {}, make("td", {}, link), make("td", {}, array.hall), reporting,
    make("td", {}, quantity(array.it_power_watts, "W")), make("td", {}, quantity(array.gpu_temperature_max_celsius, "°C")));
}

async function refresh() {
  const details = byId("arrays");
  if (!details.open) return;
  try {
    const summary = await (await fetch("api/summary", {cache: "no-store"})).json();
    const heads = ["array", "hall", "racks reporting", "IT power", "hottest GPU"].map((text) => make("th", {scope: "col"}, text));
    details.lastElementChild.replaceChildren(make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...summary.arrays.map(row))));
  } catch {
    // The stream says that the aggregator is away.
  }
  setTimeout(refresh, PERIOD_MS);
}

export function followArrays() {
  byId("arrays").ontoggle = refresh;
}

// What is said of the rack under the pointer or in focus.

import {byId, make} from "./dom.js";
import {NONE, quantity} from "./format.js";

/** @typedef {import("./types.js").Signal} Signal */

/** @param {Signal} signal @param {?number} value */
function text(signal, value) {
  if (value === null) return NONE;
  return signal.steps[value] ?? quantity(value, signal.unit, signal.decimals);
}

/**
 * @param {import("./types.js").Site} site
 * @param {{name: string, array: number, struck: boolean}} place
 * @param {{signal: Signal, value: ?number|undefined}[]} values undefined for what is not known
 * @param {string[]} troubles
 */
export function showTip(site, {name, array, struck}, values, troubles) {
  const rows = values.flatMap(({signal, value}) => (value === undefined ? [] : [
    make("dt", {className: "soft"}, signal.title), make("dd", {}, text(signal, value)),
  ]));
  const where = ` ${site.arrays[array]}, hall ${site.halls[array]}${struck ? " · fault in force" : ""}`;
  byId("tip").replaceChildren(
    make("b", {}, name), make("span", {className: "soft"}, where), make("dl", {}, ...rows),
    make("ul", {className: "troubles"}, ...troubles.map((trouble) => make("li", {}, trouble))),
  );
  byId("tip").hidden = false;
}

/**
 * Put the tip beside a cell, inside the map.
 * @param {{width: number, height: number}} map
 * @param {import("./geometry.js").Cell} cell
 */
export function placeTip(map, cell) {
  const tip = byId("tip");
  const right = cell.x + cell.size + 10;
  const left = right + tip.offsetWidth > map.width ? cell.x - tip.offsetWidth - 10 : right;
  tip.style.left = `${Math.max(0, left)}px`;
  tip.style.top = `${Math.max(0, Math.min(cell.y, Math.max(map.height, 160) - tip.offsetHeight))}px`;
}

export function hideTip() {
  byId("tip").hidden = true;
}

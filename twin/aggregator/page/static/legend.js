// What the colours of the floor mean.

import {levelColour, ramp} from "./colour.js";
import {byId, make} from "./dom.js";
import {number, quantity} from "./format.js";

const WIDTH = 144;

/** @param {?string} fill null for the hatching */
function swatch(fill) {
  const mark = make("i");
  mark.style.background = fill ?? "repeating-linear-gradient(45deg, transparent 0 2px, var(--missing) 2px 3px)";
  return mark;
}

/** Show the legend of a signal. @param {import("./types.js").Signal} signal */
export function drawLegend({low, high, unit, steps, help}) {
  const legend = byId("legend");
  const none = make("span", {}, swatch(null), "no report");
  if (steps.length) {
    const keys = steps.map((step, level) => make("span", {}, swatch(levelColour(level).fill), step));
    legend.replaceChildren(...keys, none);
    return;
  }
  const bar = make("canvas", {width: WIDTH, height: 1});
  const pen = bar.getContext("2d");
  for (let x = 0; x < WIDTH; x += 1) {
    pen.fillStyle = ramp(x / (WIDTH - 1)).fill;
    pen.fillRect(x, 0, 1, 1);
  }
  legend.replaceChildren(make("span", {}, help), make("span", {}, number(low)), bar, make("span", {}, quantity(high, unit)), none);
}

// Colours that people with any colour vision can tell apart.

import {darkness} from "./dom.js";

// Cividis (Nuñez, Anderton, Renslow 2018), eleven stops: even steps of lightness for every eye.
const CIVIDIS = [
  [0, 34, 78], [18, 53, 112], [59, 73, 107], [87, 93, 109], [112, 113, 115], [138, 134, 120],
  [165, 156, 116], [195, 179, 105], [225, 204, 85], [245, 219, 68], [253, 234, 69],
];
const STEPS = 64;

// Blue, orange and vermilion of Okabe and Ito, muted where nothing is wrong.
const LEVELS = {
  light: [[196, 205, 216], [230, 159, 0], [190, 60, 0]],
  dark: [[50, 62, 78], [230, 159, 0], [255, 94, 60]],
};

/** @typedef {{fill: string, ink: string}} Colour  of a cell and of what is written on it */

/** @param {number[]} rgb @returns {Colour} */
function colour([red, green, blue]) {
  const light = 0.299 * red + 0.587 * green + 0.114 * blue;
  return {fill: `rgb(${red} ${green} ${blue})`, ink: light > 140 ? "#10151c" : "#f4f6f8"};
}

const RAMP = Array.from({length: STEPS}, (_, step) => {
  const at = (step / (STEPS - 1)) * (CIVIDIS.length - 1);
  const low = Math.min(Math.floor(at), CIVIDIS.length - 2);
  const mixed = CIVIDIS[low].map((from, i) => Math.round(from + (at - low) * (CIVIDIS[low + 1][i] - from)));
  return colour(mixed);
});

/**
 * The colour of a share of the scale: little is dark and much is bright, in both themes, so that
 * a screenshot means the same to every reader.
 * @param {number} share from 0 to 1; beyond is cut
 * @returns {Colour}
 */
export function ramp(share) {
  const kept = Math.min(Math.max(share, 0), 1);
  return RAMP[Math.round(kept * (STEPS - 1))];
}

/** @param {number} level 0, 1 or 2 @returns {Colour} */
export function levelColour(level) {
  return colour((darkness.matches ? LEVELS.dark : LEVELS.light)[level]);
}

/**
 * The colour of a value of a signal.
 * @param {{low: number, high: number, steps?: string[]}} signal
 * @param {number} value
 */
export function colourOf(signal, value) {
  if (signal.steps?.length) return levelColour(Math.min(value, 2));
  return ramp((value - signal.low) / (signal.high - signal.low));
}

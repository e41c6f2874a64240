// Numbers and times for people.

export const NONE = "–";

/**
 * @param {?number|undefined} value
 * @param {number} [digits] after the point
 */
export function number(value, digits = 0) {
  if (value === null || value === undefined) return NONE;
  return value.toLocaleString("en", {minimumFractionDigits: digits, maximumFractionDigits: digits});
}

const PREFIXES = /** @type {[number, string, number][]} */ ([[1e9, "G", 2], [1e6, "M", 2], [1e3, "k", 1]]);

/**
 * A quantity with its unit; watts and the like get a prefix.
 * @param {?number|undefined} value
 * @param {string} unit
 * @param {number} [digits] after the point
 */
export function quantity(value, unit, digits = 0) {
  if (value === null || value === undefined) return NONE;
  if (unit.startsWith("W")) {
    const prefix = PREFIXES.find(([size]) => Math.abs(value) >= size);
    if (prefix) return `${number(value / prefix[0], prefix[2])} ${prefix[1]}${unit}`;
  }
  return unit ? `${number(value, digits)} ${unit}` : number(value, digits);
}

/**
 * The same on an axis: as few digits as tell the ticks apart.
 * @param {number} value
 * @param {string} unit
 */
export function tick(value, unit) {
  const prefix = unit.startsWith("W") && PREFIXES.find(([size]) => Math.abs(value) >= size);
  return prefix ? `${+(value / prefix[0]).toFixed(2)} ${prefix[1]}${unit}` : `${+value.toFixed(3)} ${unit}`;
}

/** A short time. @param {number} seconds */
export const duration = (seconds) => (seconds < 1 ? `${number(1000 * seconds)} ms` : `${number(seconds, seconds < 10 ? 1 : 0)} s`);

/** @param {?number|undefined} seconds simulated unix time; @returns {string} the time of day, UTC */
export function clock(seconds) {
  return seconds ? new Date(1000 * seconds).toISOString().slice(11, 19) : NONE;
}

/** @param {?number|undefined} seconds */
export function day(seconds) {
  return seconds ? new Date(1000 * seconds).toISOString().slice(0, 10) : "";
}

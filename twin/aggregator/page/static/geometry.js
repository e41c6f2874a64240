// Where the racks stand on the canvas: halls hold arrays, arrays hold racks. Pure arithmetic.

/**
 * @typedef {{x: number, y: number, size: number}} Cell
 * @typedef {{name: string, x: number, y: number, width: number, height: number}} Box
 * @typedef {{width: number, height: number, size: number, cells: Cell[], halls: Box[],
 *   arrays: {name: string, x: number, y: number}[]}} Plan
 * @typedef {{hallColumns: number, arrayColumns: number, rackColumns: number, size: number}} Choice
 */

const LARGEST = 120;
const SMALLEST = 3; // smaller cells cannot be hit
const FEW_HALLS = {gap: 12, padding: 8, label: 18};
const MANY_HALLS = {gap: 6, padding: 4, label: 16};
const MANY = 12;
const ARRAY_LABEL = 14;
const ARRAY_GAP = 0.4; // of a cell, within bounds
const ARRAY_GAP_LEAST = 3;
const ARRAY_GAP_MOST = 24;
const LABELLED_ARRAYS = 64;

/** The room between halls, around their arrays and for their names. @param {number} halls */
const frameOf = (halls) => (halls > MANY ? MANY_HALLS : FEW_HALLS);

/** @param {number} size */
const gapOf = (size) => Math.min(ARRAY_GAP_MOST, Math.max(ARRAY_GAP_LEAST, Math.round(ARRAY_GAP * size)));

/**
 * The names of the halls with the arrays of each.
 * @param {{arrays: string[], halls: string[]}} site
 */
function hallsOf(site) {
  /** @type {Map<string, number[]>} */
  const halls = new Map();
  site.halls.forEach((hall, array) => halls.set(hall, [...(halls.get(hall) ?? []), array]));
  return halls;
}

/** Sizes of arrays and halls for cells of a size. */
class Measure {
  /**
   * @param {number} size @param {Omit<Choice, "size">} choice @param {number} perArray
   * @param {boolean} labelled @param {{gap: number, padding: number, label: number}} frame
   */
  constructor(size, choice, perArray, labelled, frame) {
    this.frame = frame;
    this.gap = gapOf(size);
    this.label = labelled ? ARRAY_LABEL : 0;
    this.arrayWidth = size * choice.rackColumns;
    this.arrayHeight = size * Math.ceil(perArray / choice.rackColumns) + this.label;
    this.choice = choice;
  }

  /** @param {number} arrays @returns {number} height of a hall */
  hallHeight(arrays) {
    const rows = Math.ceil(arrays / this.choice.arrayColumns);
    return rows * (this.arrayHeight + this.gap) - this.gap + 2 * this.frame.padding + this.frame.label;
  }

  get hallWidth() {
    return this.choice.arrayColumns * (this.arrayWidth + this.gap) - this.gap + 2 * this.frame.padding;
  }
}

/**
 * The arrangement with the largest cells that fits.
 * @param {number[]} counts arrays of each hall
 * @param {number} perArray racks an array
 * @param {number} width
 * @param {number} height
 * @param {boolean} labelled
 * @returns {Choice}
 */
function choose(counts, perArray, width, height, labelled) {
  const most = Math.max(...counts);
  const frame = frameOf(counts.length);
  /** @type {Choice} */
  let best = {hallColumns: 1, arrayColumns: 1, rackColumns: perArray, size: 0};
  let widest = 0;
  const columns = [1, 2, 4, 8, 16].filter((n) => n <= perArray);
  for (let hallColumns = 1; hallColumns <= counts.length; hallColumns += 1) {
    const hallRows = Math.ceil(counts.length / hallColumns);
    for (let arrayColumns = 1; arrayColumns <= most; arrayColumns += 1) {
      for (const rackColumns of columns) {
        const choice = {hallColumns, arrayColumns, rackColumns};
        for (let size = Math.max(best.size, 1); size <= LARGEST; size += 1) {
          const measure = new Measure(size, choice, perArray, labelled, frame);
          const wide = hallColumns * (measure.hallWidth + frame.gap) - frame.gap;
          const high = hallRows * (measure.hallHeight(most) + frame.gap) - frame.gap;
          if (wide > width || high > height) break;
          // Among equals the widest: the page has more room aside than below.
          if (size > best.size || wide > widest) [best, widest] = [{...choice, size}, wide];
        }
      }
    }
  }
  if (best.size >= SMALLEST) return best;
  // Too many for the height: as wide as it goes, and the page scrolls.
  const rackColumns = Math.min(perArray, 8);
  const arrayWidth = SMALLEST * rackColumns + gapOf(SMALLEST);
  const arrayColumns = Math.max(1, Math.floor((width - 2 * frame.padding) / arrayWidth));
  return {hallColumns: 1, arrayColumns, rackColumns, size: SMALLEST};
}

/**
 * Place every rack.
 * @param {{racks: string[], racks_per_array: number, arrays: string[], halls: string[]}} site
 * @param {number} width in CSS pixels
 * @param {number} height that should not be exceeded
 * @returns {Plan}
 */
export function plan(site, width, height) {
  const halls = hallsOf(site);
  const counts = [...halls.values()].map((arrays) => arrays.length);
  const labelled = site.arrays.length <= LABELLED_ARRAYS;
  const choice = choose(counts, site.racks_per_array, width, height, labelled);
  const {size} = choice;
  const frame = frameOf(counts.length);
  const measure = new Measure(size, choice, site.racks_per_array, labelled, frame);
  const hallHeight = measure.hallHeight(Math.max(...counts));
  /** @type {Plan} */
  const result = {width, height: 0, size, cells: [], halls: [], arrays: []};
  [...halls].forEach(([name, arrays], hall) => {
    const left = (hall % choice.hallColumns) * (measure.hallWidth + frame.gap);
    const top = Math.floor(hall / choice.hallColumns) * (hallHeight + frame.gap);
    result.halls.push({name, x: left, y: top, width: measure.hallWidth, height: measure.hallHeight(arrays.length)});
    result.height = Math.max(result.height, top + hallHeight);
    arrays.forEach((array, index) => {
      const x = left + frame.padding + (index % choice.arrayColumns) * (measure.arrayWidth + measure.gap);
      const y = top + frame.padding + frame.label + Math.floor(index / choice.arrayColumns) * (measure.arrayHeight + measure.gap);
      if (labelled) result.arrays.push({name: site.arrays[array], x, y: y + ARRAY_LABEL - 4});
      const first = array * site.racks_per_array;
      const last = Math.min(first + site.racks_per_array, site.racks.length);
      for (let rack = first; rack < last; rack += 1) {
        const at = rack - first;
        result.cells[rack] = {
          x: x + (at % choice.rackColumns) * size,
          y: y + measure.label + Math.floor(at / choice.rackColumns) * size,
          size,
        };
      }
    });
  });
  return result;
}

/**
 * The rack at a point, or -1.
 * @param {Plan} floor @param {number} x @param {number} y
 */
export function rackAt(floor, x, y) {
  return floor.cells.findIndex((cell) => x >= cell.x && x < cell.x + cell.size && y >= cell.y && y < cell.y + cell.size);
}

/**
 * The nearest rack in a direction, or the same when there is none.
 * @param {Plan} floor @param {number} rack @param {number} dx -1, 0 or 1 @param {number} dy
 */
export function neighbour(floor, rack, dx, dy) {
  const from = floor.cells[rack];
  let best = rack;
  let least = Infinity;
  floor.cells.forEach((cell, other) => {
    const along = dx * (cell.x - from.x) + dy * (cell.y - from.y);
    if (along <= 0) return;
    const aside = Math.abs(dy * (cell.x - from.x)) + Math.abs(dx * (cell.y - from.y));
    // Straight on first: what lies aside counts four times.
    const distance = along + 4 * aside;
    if (distance < least) [best, least] = [other, distance];
  });
  return best;
}

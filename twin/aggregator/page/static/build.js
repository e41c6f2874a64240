// The build of a rack on the floor: what stands in it from the top down, at the left of its cell.

const BUILT = 24; // cells of this size have room for it
const WIDTH = 4;
const INK = {server: 0.35, switch: 0.9, shelf: 0.12};

/**
 * @param {CanvasRenderingContext2D} brush @param {import("./types.js").Site["build"]} build
 * @param {import("./geometry.js").Cell} cell @param {number} gap between cells
 * @param {string} ink that can be read on the cell's colour
 */
export function drawBuild(brush, build, cell, gap, ink) {
  if (cell.size < BUILT) return;
  const each = (cell.size - gap) / build.length;
  brush.fillStyle = ink;
  build.forEach((part, slot) => {
    brush.globalAlpha = INK[part];
    brush.fillRect(cell.x, cell.y + slot * each, WIDTH, Math.max(each - 0.5, 0.5));
  });
  brush.globalAlpha = 1;
}

// The floor: a canvas of cells, one a rack, and over it a second one for what moves.

import {drawBuild} from "./build.js";
import {colourOf} from "./colour.js";
import {byId, darkness, make, setText, themed} from "./dom.js";
import {NONE, number} from "./format.js";
import {neighbour, plan, rackAt} from "./geometry.js";
import {drawLegend} from "./legend.js";
import {hideTip, placeTip, showTip} from "./tip.js";

/** @typedef {import("./types.js").Site} Site */
/** @typedef {import("./types.js").Signal} Signal */
/** @typedef {import("./types.js").Rack} Rack */

const NAMED = 46; // cells of this size have room for a name and a number
const SPACED = 5; // cells of this size have a gap between them
const REST_MS = 150; // the pointer rests so long before a rack's other figures are fetched
const LEAST_HEIGHT = 240;
const HEIGHT_SHARE = 0.5; // of the window

const ARROWS = /** @type {Record<string, [number, number]>} */ ({
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
});

export class Floor {
  /**
   * @param {Site} site
   * @param {(rack: string) => void} onOpen
   */
  constructor(site, onOpen) {
    this.site = site;
    this.onOpen = onOpen;
    this.signal = site.signals[0];
    /** @type {(?number)[]} */
    this.values = [];
    /** @type {Set<number>} racks on which a fault is in force */
    this.struck = new Set();
    this.focus = -1;
    this.opened = -1;
    this.index = new Map(site.racks.map((name, rack) => [name, rack]));
    this.cells = byId("cells");
    this.marks = byId("marks");
    this.rest = 0;
    /** @type {?Rack} what is known of the rack in focus */
    this.details = null;
    this.room = this.heightOfRoom();
    this.plan = plan(site, byId("map").clientWidth, this.room);
    this.listen();
    this.fit();
  }

  heightOfRoom() {
    return Math.max(LEAST_HEIGHT, HEIGHT_SHARE * innerHeight);
  }

  listen() {
    new ResizeObserver(() => this.measure()).observe(byId("map"));
    darkness.addEventListener("change", () => this.colourBy(this.signal));
    this.cells.onpointermove = (/** @type {PointerEvent} */ event) => this.point(rackAt(this.plan, event.offsetX, event.offsetY));
    this.cells.onpointerleave = () => this.point(-1);
    this.cells.onclick = () => this.focus >= 0 && this.onOpen(this.site.racks[this.focus]);
    this.cells.onkeydown = (/** @type {KeyboardEvent} */ event) => this.press(event);
    this.cells.onblur = () => this.point(-1);
  }

  /** Fit the cells to the width that there is. */
  measure() {
    const width = byId("map").clientWidth;
    const height = this.heightOfRoom();
    if (!width || (width === this.plan.width && height === this.room)) return;
    this.room = height;
    this.plan = plan(this.site, width, height);
    this.fit();
  }

  /** Give the canvases the size of the plan. */
  fit() {
    for (const canvas of [this.cells, this.marks]) {
      canvas.width = Math.round(this.plan.width * devicePixelRatio);
      canvas.height = Math.round(this.plan.height * devicePixelRatio);
      canvas.style.width = `${this.plan.width}px`;
      canvas.style.height = `${this.plan.height}px`;
    }
    this.draw();
  }

  /** @param {Signal} signal */
  colourBy(signal) {
    if (signal !== this.signal) {
      this.values = [];
      this.details = null;
    }
    this.signal = signal;
    drawLegend(signal);
    this.draw();
  }

  /**
   * @param {(?number)[]} values one a rack
   * @param {{target: string}[]} faults in force
   */
  show(values, faults) {
    this.values = values;
    this.struck = new Set(faults.flatMap((fault) => this.placesOf(fault.target)));
    this.draw();
    if (this.focus >= 0) this.tell();
  }

  /** The racks that a target names: one, or those of an array. @param {string} target */
  placesOf(target) {
    const [name] = target.split("/");
    const rack = this.index.get(name);
    if (rack !== undefined) return [rack];
    const first = this.site.arrays.indexOf(name) * this.site.racks_per_array;
    if (first < 0) return [];
    const last = Math.min(first + this.site.racks_per_array, this.site.racks.length);
    return Array.from({length: last - first}, (_, i) => first + i);
  }

  /** Mark the rack whose panel is open. @param {?string} rack */
  mark(rack) {
    this.opened = rack === null ? -1 : this.index.get(rack) ?? -1;
    this.drawMarks();
  }

  // -- drawing ---------------------------------------------------------------

  /** @param {HTMLCanvasElement} canvas */
  brush(canvas) {
    const brush = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    brush.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    brush.clearRect(0, 0, this.plan.width, this.plan.height);
    return brush;
  }

  draw() {
    const brush = this.brush(this.cells);
    const hatch = this.hatch(brush);
    const gap = this.plan.size >= SPACED ? 1 : 0;
    this.drawPlaces(brush);
    this.plan.cells.forEach((cell, rack) => {
      const value = this.values[rack] ?? null;
      const colour = value === null ? null : colourOf(this.signal, value);
      brush.fillStyle = colour?.fill ?? hatch;
      brush.fillRect(cell.x, cell.y, cell.size - gap, cell.size - gap);
      drawBuild(brush, this.site.build, cell, gap, colour?.ink ?? themed("text"));
      if (cell.size >= NAMED) this.write(brush, cell, rack, value, colour?.ink ?? themed("text"));
    });
    this.drawMarks();
  }

  /** @param {CanvasRenderingContext2D} brush */
  drawPlaces(brush) {
    brush.strokeStyle = themed("line");
    brush.fillStyle = themed("soft");
    brush.textAlign = "left";
    brush.font = "12px system-ui, sans-serif";
    for (const hall of this.plan.halls) {
      brush.strokeRect(hall.x + 0.5, hall.y + 0.5, hall.width - 1, hall.height - 1);
      brush.fillText(`hall ${hall.name}`, hall.x + 6, hall.y + 15);
    }
    brush.font = "10px system-ui, sans-serif";
    for (const array of this.plan.arrays) brush.fillText(array.name, array.x, array.y);
  }

  /**
   * @param {CanvasRenderingContext2D} brush @param {import("./geometry.js").Cell} cell
   * @param {number} rack @param {?number} value @param {string} ink
   */
  write(brush, cell, rack, value, ink) {
    const middle = cell.x + cell.size / 2;
    brush.fillStyle = ink;
    brush.textAlign = "center";
    brush.font = "11px system-ui, sans-serif";
    brush.fillText(this.site.racks[rack], middle, cell.y + cell.size / 2 - 6);
    brush.font = "600 13px system-ui, sans-serif";
    brush.fillText(this.short(value), middle, cell.y + cell.size / 2 + 11);
  }

  /** Diagonal lines, for a rack of which nothing is known. @param {CanvasRenderingContext2D} brush */
  hatch(brush) {
    const tile = make("canvas", {width: 6, height: 6});
    const pen = tile.getContext("2d");
    pen.strokeStyle = themed("missing");
    pen.lineWidth = 1.2;
    pen.beginPath();
    for (const shift of [-6, 0, 6]) {
      pen.moveTo(shift, 6);
      pen.lineTo(shift + 6, 0);
    }
    pen.stroke();
    return /** @type {CanvasPattern} */ (brush.createPattern(tile, "repeat"));
  }

  /** Faults in force, the open rack and the one in focus, over the cells. */
  drawMarks() {
    const brush = this.brush(this.marks);
    for (const rack of this.struck) this.ring(brush, rack, themed("text"), themed("panel"), 2);
    if (this.opened >= 0) this.ring(brush, this.opened, themed("accent"), themed("panel"), 3);
    if (this.focus >= 0) this.ring(brush, this.focus, themed("accent"), themed("panel"), 2);
  }

  /**
   * @param {CanvasRenderingContext2D} brush @param {number} rack @param {string} outer
   * @param {string} inner @param {number} width
   */
  ring(brush, rack, outer, inner, width) {
    const cell = this.plan.cells[rack];
    const size = cell.size - (cell.size >= SPACED ? 1 : 0);
    const out = cell.size >= 12 ? 0 : 2;
    brush.lineWidth = width + 2;
    brush.strokeStyle = inner;
    brush.strokeRect(cell.x - out, cell.y - out, size + 2 * out, size + 2 * out);
    brush.lineWidth = width;
    brush.strokeStyle = outer;
    brush.strokeRect(cell.x - out, cell.y - out, size + 2 * out, size + 2 * out);
  }

  // -- pointer and keys --------------------------------------------------------

  /** @param {number} rack -1 for none */
  point(rack) {
    if (rack === this.focus) return;
    this.focus = rack;
    this.details = null;
    clearTimeout(this.rest);
    if (rack >= 0) this.rest = setTimeout(() => this.ask(rack), REST_MS);
    this.cells.style.cursor = rack >= 0 ? "pointer" : "default";
    this.drawMarks();
    this.tell();
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    const arrow = ARROWS[event.key];
    if (arrow) this.point(this.focus < 0 ? Math.max(this.opened, 0) : neighbour(this.plan, this.focus, ...arrow));
    else if (event.key === "Home") this.point(0);
    else if (event.key === "End") this.point(this.site.racks.length - 1);
    else if ((event.key === "Enter" || event.key === " ") && this.focus >= 0) this.onOpen(this.site.racks[this.focus]);
    else return;
    event.preventDefault();
  }

  /** Fetch the other figures of a rack. @param {number} rack */
  async ask(rack) {
    try {
      const answer = await fetch(`api/racks/${this.site.racks[rack]}`, {cache: "no-store"});
      if (!answer.ok || rack !== this.focus) return;
      this.details = await answer.json();
      this.tell();
      this.rest = setTimeout(() => this.ask(rack), 1000);
    } catch {
      // The stream says that the aggregator is away; the tip keeps what it knows.
    }
  }

  /** @param {?number} value */
  short(value) {
    if (value === null) return NONE;
    return this.signal.steps[value] ?? number(value, this.signal.decimals);
  }

  /** Say what is known of the rack in focus, in the tip and to screen readers. */
  tell() {
    if (this.focus < 0) {
      hideTip();
      return;
    }
    const place = {
      name: this.site.racks[this.focus],
      array: Math.floor(this.focus / this.site.racks_per_array),
      struck: this.struck.has(this.focus),
    };
    const values = this.site.signals.map((signal) => ({signal, value: this.valueOf(signal)}));
    showTip(this.site, place, values, this.details?.troubles ?? []);
    placeTip(this.plan, this.plan.cells[this.focus]);
    const value = this.values[this.focus] ?? null;
    const told = value === null ? "not reported" : `${this.short(value)} ${this.signal.unit}`;
    setText(byId("said"), `Rack ${place.name}: ${this.signal.title} ${told}${place.struck ? ", fault in force" : ""}`);
  }

  /** @param {Signal} signal @returns {?number|undefined} undefined while it is not known */
  valueOf(signal) {
    if (signal.key === this.signal.key) return this.values[this.focus] ?? null;
    return this.details ? this.details.figures[signal.key] ?? null : undefined;
  }
}

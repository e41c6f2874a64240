// Live lines of the last quarter of an hour, drawn by Chart.js.

import {byId, darkness, make, setText, themed} from "./dom.js";
import {clock, quantity, tick} from "./format.js";

/** @typedef {import("./types.js").ChartOf} ChartOf */
/** @typedef {import("./types.js").Line} Line */
/** @typedef {{x: number, y: ?number}} Point */

const SPAN = 900; // seconds
const TICK = 300;
const DASH = [5, 3];
const AXIS_WIDTH = 68;

/** Chart.js, which is no module. @type {any} */
const {Chart} = /** @type {any} */ (globalThis);

/** The axis of a side. @param {Line[]} lines @param {boolean} right */
function axis(lines, right) {
  const own = lines.filter((one) => one.right === right);
  const [line] = own;
  const [low, high] = own.find((one) => one.bounds)?.bounds ?? [];
  return {
    position: right ? "right" : "left",
    suggestedMin: low,
    suggestedMax: high,
    grace: low === 0 ? 0 : "5%",
    // As wide in every chart, so that the same time stands at the same place.
    afterFit: (/** @type {any} */ scale) => { scale.width = AXIS_WIDTH; },
    border: {display: false},
    grid: {color: themed("line"), drawOnChartArea: !right},
    ticks: {
      color: themed("soft"), maxTicksLimit: 5, font: {size: 11},
      callback: (/** @type {number} */ value) => line && tick(value, line.unit),
    },
  };
}

/** One chart with its legend, which shows the present values. */
class Lines {
  /** @param {ChartOf} description */
  constructor(description) {
    this.lines = description.lines;
    this.values = description.lines.map(() => make("b"));
    const keys = description.lines.map((line, index) => make("span", {className: "key"}, sample(line, index), line.label, this.values[index]));
    const canvas = make("canvas", {aria: {role: "img", "aria-label": `${description.title}: ${description.lines.map((line) => line.label).join(", ")}, last 15 minutes`}});
    this.element = make("div", {className: "chart"},
      make("div", {className: "bar"}, make("h2", {}, description.title), ...keys),
      make("div", {className: "canvas"}, canvas));
    this.canvas = canvas;
    /** @type {Point[][]} */
    this.points = description.lines.map(() => []);
    /** @type {any} */
    this.chart = null;
  }

  /** Draw with the colours of the present theme. */
  build() {
    this.chart?.destroy();
    this.chart = new Chart(this.canvas, {
      type: "line",
      data: {datasets: this.lines.map((line, index) => ({
        label: line.label, data: this.points[index], yAxisID: line.right ? "right" : "left",
        borderColor: themed(`series-${index % 6 + 1}`), borderWidth: 1.6, borderDash: line.right ? DASH : [],
        pointRadius: 0, pointHitRadius: 6, spanGaps: false, tension: 0,
      }))},
      options: {
        animation: false, maintainAspectRatio: false, parsing: false, normalized: true,
        interaction: {mode: "index", intersect: false},
        plugins: {
          legend: {display: false},
          tooltip: {callbacks: {
            title: (/** @type {any[]} */ items) => `${clock(items[0]?.parsed.x)} UTC`,
            label: (/** @type {any} */ item) => ` ${item.dataset.label}: ${this.text(item.datasetIndex, item.parsed.y)}`,
          }},
        },
        scales: {
          x: {
            type: "linear", border: {color: themed("line")}, grid: {display: false},
            ticks: {color: themed("soft"), maxRotation: 0, font: {size: 11}, callback: (/** @type {number} */ value) => clock(value).slice(0, 5)},
            afterBuildTicks: (/** @type {any} */ scale) => { scale.ticks = ticks(scale.min, scale.max); },
          },
          left: axis(this.lines, false),
          right: axis(this.lines, true),
        },
      },
    });
  }

  /** @param {number} index @param {?number} value */
  text(index, value) {
    const line = this.lines[index];
    return quantity(value, line.unit, Math.min(line.decimals, 2));
  }

  /** @param {number} now newest simulated time */
  draw(now) {
    this.points.forEach((points, index) => setText(this.values[index], this.text(index, points.at(-1)?.y ?? null)));
    Object.assign(this.chart.options.scales.x, {min: now - SPAN, max: now});
    this.chart.update("none");
  }
}

/** @param {number} low @param {number} high */
function ticks(low, high) {
  const first = Math.ceil(low / TICK) * TICK;
  return Array.from({length: Math.max(0, Math.floor((high - first) / TICK) + 1)}, (_, i) => ({value: first + i * TICK}));
}

/** A short piece of the line, as it is drawn. @param {Line} line @param {number} index */
function sample(line, index) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const stroke = document.createElementNS(space, "line");
  for (const [name, value] of Object.entries({x1: 0, x2: 18, y1: 4, y2: 4, "stroke-width": 2})) stroke.setAttribute(name, String(value));
  stroke.style.stroke = `var(--series-${index % 6 + 1})`;
  if (line.right) stroke.setAttribute("stroke-dasharray", DASH.join(" "));
  svg.setAttribute("aria-hidden", "true");
  svg.append(stroke);
  return svg;
}

export class Charts {
  /** @param {ChartOf[]} descriptions */
  constructor(descriptions) {
    this.charts = descriptions.map((description) => new Lines(description));
    byId("lines").replaceChildren(...this.charts.map((chart) => chart.element));
    this.newest = 0;
    for (const chart of this.charts) chart.build();
    darkness.addEventListener("change", () => {
      for (const chart of this.charts) chart.build();
      this.draw();
    });
  }

  /**
   * Take over new rows. Rows that are not newer than ours are of another run.
   * @param {{time: number[], values: (?number)[][]}} points
   */
  add({time, values}) {
    if (!time.length) return;
    const lines = this.charts.flatMap((chart) => chart.points);
    const first = time[0];
    this.newest = time[time.length - 1];
    lines.forEach((points, column) => {
      while (points.length && points[points.length - 1].x >= first) points.pop();
      time.forEach((x, row) => points.push({x, y: values[column][row]}));
      const old = points.findIndex((point) => point.x >= this.newest - SPAN);
      points.splice(0, Math.max(old, 0));
    });
  }

  draw() {
    for (const chart of this.charts) chart.draw(this.newest);
  }

  /** Forget all. */
  clear() {
    this.newest = 0;
    for (const points of this.charts.flatMap((chart) => chart.points)) points.length = 0;
  }
}


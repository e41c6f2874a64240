// The key figures at the top.

import {byId, make, setText} from "./dom.js";
import {NONE, duration, number, quantity} from "./format.js";

/** @typedef {import("./types.js").Summary} Summary */
/** @typedef {{name: string, value: string, remark: string, bad?: boolean}} Figure */

/** @param {Summary} s @returns {Figure} */
function megapacks(s) {
  if (!s.megapacks) return {name: "Megapacks", value: NONE, remark: "none on this site"};
  const flow = s.megapack_power_watts;
  const remark = flow === null ? "" : `${flow < 0 ? "charging at" : "delivering"} ${quantity(Math.abs(flow), "W")}`;
  const value = s.megapack_soc_ratio === null ? NONE : `${number(100 * s.megapack_soc_ratio, 1)} %`;
  return {name: "Megapacks", value, remark, bad: s.megapacks_reporting < s.megapacks};
}

/** @param {Summary} s @returns {Figure} */
function jobs(s) {
  const [first, ...others] = s.jobs;
  const bad = s.jobs.some((job) => ["stalled", "crashed"].includes(job.state ?? ""));
  if (others.length) {
    const states = s.jobs.map((job) => `${job.name} ${job.state ?? NONE}`).join(", ");
    const running = s.jobs.filter((job) => ["training", "evaluation", "checkpoint"].includes(job.state ?? ""));
    return {name: "Training jobs", value: `${running.length} of ${s.jobs.length} run`, remark: states, bad};
  }
  if (!first) return {name: "Training job", value: NONE, remark: "none on this site"};
  const steps = first.steps === null ? "" : `${number(first.steps)} step${first.steps === 1 ? "" : "s"}`;
  return {name: "Training job", value: first.state ?? NONE, remark: steps, bad};
}

/** @param {Summary} s @returns {Figure} */
function faults(s) {
  const names = s.faults.map((fault) => `${fault.fault} ${fault.target}`).join(", ");
  return {name: "Faults in force", value: number(s.faults.length), remark: names, bad: s.faults.length > 0};
}

/** @param {Summary} s @returns {Figure[]} */
function figures(s) {
  const lag = s.lag_seconds === null ? "" : `, ${duration(s.lag_seconds)} behind`;
  return [
    {name: "IT power", value: quantity(s.it_power_watts, "W"), remark: "at the servers' inlets"},
    {name: "Grid import", value: quantity(s.grid_import_watts, "W"), remark: ""},
    megapacks(s),
    jobs(s),
    {name: "Racks reporting", value: number(s.racks_reporting), remark: `of ${number(s.racks)}`, bad: s.racks_reporting < s.racks},
    {name: "GPUs reporting", value: number(s.gpus_reporting), remark: `of ${number(s.gpus)}`, bad: s.gpus_reporting < s.gpus},
    {name: "Hottest GPU", value: quantity(s.gpu_temperature_max_celsius, "°C"), remark: s.hottest_gpu ?? ""},
    s.faults.length ? faults(s) : {name: "Series", value: number(s.series), remark: `${number(s.frames_lost)} frames lost${lag}`},
  ];
}

/** Show the key figures. @param {Summary} summary */
export function showFigures(summary) {
  const list = byId("figures");
  figures(summary).forEach((figure, index) => {
    const card = list.children[index] ?? list.appendChild(make("div", {}, make("dt"), make("dd"), make("dd", {className: "remark"})));
    const [name, value, remark] = card.children;
    setText(name, figure.name);
    setText(value, figure.value);
    setText(remark, figure.remark);
    remark.title = figure.remark;
    value.className = figure.bad ? "value bad" : "value";
  });
}

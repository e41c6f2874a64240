/**
 * What the aggregator sends, for the type checker and the reader; nothing here runs.
 *
 * @typedef {{key: string, title: string, help: string, unit: string, decimals: number,
 *   low: number, high: number, steps: string[]}} Signal  what the floor can be coloured by
 * @typedef {{key: string, title: string, unit: string, decimals: number, low: ?number,
 *   high: ?number, states: string[], counter: boolean}} Column  one value of every device
 * @typedef {{key: string, title: string, count: number, rows: number, columns: Column[]}} Group
 * @typedef {{key: string, label: string, unit: string, decimals: number, right: boolean,
 *   bounds: ?[number, number]}} Line
 * @typedef {{key: string, title: string, lines: Line[]}} ChartOf
 * @typedef {{name: string, default: number, description: string}} Parameter
 * @typedef {{fault: string, system: string, title: string, target: string, default_target: string,
 *   default_seconds: number, shows: string, parameters: Parameter[]}} FaultKind
 * @typedef {{boot: string, version: string, site: string, beside: Record<string, string>, title: string, gpus: number,
 *   racks: string[], racks_per_array: number, servers_per_rack: number,
 *   build: ("server"|"switch"|"shelf")[], arrays: string[],
 *   halls: string[], signals: Signal[], devices: Group[], charts: ChartOf[],
 *   allow_inject: boolean, faults: FaultKind[]}} Site  the answer of api/site
 *
 * @typedef {{fault: string, target: string, id: string}} Fault  one that is in force
 * @typedef {{id: number, ts: ?number, kind: string, level: "info"|"good"|"warning"|"critical",
 *   text: string, target: ?string}} SiteEvent
 * @typedef {{name: string, racks: number, state: ?string, steps: ?number,
 *   goodput_ratio: ?number}} Job
 * @typedef {Record<string, any> & {faults: Fault[], jobs: Job[], simulated_time: ?number,
 *   broker_connected: boolean}} Summary  the figures of api/summary, without the arrays
 * @typedef {{rack: string, array: string, hall: string, gpu_model: string, source: string, reporting: boolean,
 *   missing: ?string, time: ?number, figures: Record<string, ?number>, troubles: string[],
 *   devices: Record<string, Record<string, (?number)[]>>}} Rack  the answer of api/racks/…
 * @typedef {{name: string, place: string, severity: string, rack: string, since: string,
 *   summary: string, devices: number}} FiringAlert
 * @typedef {{source: ?string, problem: ?string, count: number, alerts: FiringAlert[]}} FiringAlerts
 *   what Prometheus or Alertmanager says; source is null where none is known
 * @typedef {{boot: string, summary: Summary, floor: {signal: string, values: (?number)[]},
 *   points: {time: number[], values: (?number)[][]}, events: SiteEvent[], alerts: FiringAlerts,
 *   rack?: Rack}} Update
 */
export {};

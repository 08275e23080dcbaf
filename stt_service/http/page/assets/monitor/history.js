/** The samples of the last hour, and the charts that show them. */

import { Chart } from "./chart.js";
import { bytes, latency, number, percent } from "./format.js";

const MAX_SAMPLES = 720; // an hour of the server's samples
const GIB = 2 ** 30;

/** Columns of samples, as `History` in control.proto; values are numbers. */
export class History {
  constructor() {
    this.columns = { timeS: [] };
  }

  /** @returns {number} the Unix time of the latest sample */
  get last() {
    return this.columns.timeS.at(-1) ?? 0;
  }

  /** Appends the samples of a response. */
  append(message) {
    for (const [name, values] of Object.entries(message)) {
      if (!Array.isArray(values)) continue;
      const column = [...(this.columns[name] ?? []), ...values.map(Number)];
      this.columns[name] = column.slice(-MAX_SAMPLES);
    }
  }
}

const line = (name, column) => ({ name, values: (history) => history[column] ?? [] });
const CHARTS = [
  { title: "Streams", lines: [line("open", "streams"), line("limit", "maxStreams")], format: number, minTop: 1 },
  { title: "Final latency", lines: percentiles("finalLatency"), format: resultLatency, minTop: 0.1 },
  { title: "Partial latency", lines: percentiles("partialLatency"), format: resultLatency, minTop: 0.1 },
  { title: "Decode load", lines: [line("load", "decodeLoad")], format: percent, minTop: 1 },
  { title: "Real-time factor", lines: [line("factor", "realTimeFactor")], format: number, minTop: 0.1 },
  { title: "Waiting decodes", lines: [line("waiting", "decodesWaiting")], format: integer, minTop: 1 },
  { title: "Rejected calls", lines: [line("rejected", "rejected")], format: integer, minTop: 1 },
  { title: "CPU cores", lines: [line("used", "cpuCoresUsed")], format: number, minTop: 1 },
  { title: "Memory", lines: [line("used", "memoryBytes")], format: bytes, minTop: GIB, unit: GIB },
  { title: "Event loop lag", lines: [line("longest", "loopLagS")], format: latency, minTop: 0.01 },
];
const GPU_CHARTS = [
  { title: "GPU utilization", lines: [line("mean", "gpuUtilization")], format: percent, minTop: 1 },
  { title: "GPU memory", lines: [line("used", "gpuMemoryUsedBytes")], format: bytes, minTop: GIB, unit: GIB },
];

/** The charts; those of GPUs appear with the first sample of a GPU. */
export class Charts {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.charts = CHARTS.map((options) => new Chart(options));
    root.append(...this.charts.map((chart) => chart.root));
    this.hasGpus = false;
  }

  draw(history) {
    if (!this.hasGpus && history.columns.gpuMemoryUsedBytes?.some((used) => used > 0)) {
      const added = GPU_CHARTS.map((options) => new Chart(options));
      this.charts.push(...added);
      this.root.append(...added.map((chart) => chart.root));
      this.hasGpus = true;
    }
    for (const chart of this.charts) chart.draw(history.columns);
  }
}

function percentiles(name) {
  return [line("p50", `${name}P50S`), line("p95", `${name}P95S`)];
}

/** @returns {string} a latency; that of a final that was decoded before the endpoint is under a millisecond */
function resultLatency(value_s) {
  return value_s < 0.001 ? "< 1 ms" : latency(value_s);
}

function integer(value) {
  return number(value, 0);
}

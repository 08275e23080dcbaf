/** A line chart of the last hour as SVG, and its values as a table. */

import { create, createSvg, setText } from "./dom.js";
import { clock } from "./format.js";

const WIDTH = 300;
const HEIGHT = 80;
const MIN_SPAN_S = 300; // shown before there is an hour of samples
const MAX_SPAN_S = 3600;
const ROW_S = 300; // of a row of the table, which has twelve
const RECENT_SAMPLES = 60;
const MAX_GAP_S = 30; // between samples that a line connects: two lost samples

/**
 * @typedef {{name: string, values: (history: object) => number[]}} Line
 * @typedef {(value: number) => string} Format
 * @typedef {{title: string, lines: Line[], format: Format, minTop: number, unit?: number}} ChartOptions
 *   `minTop`: the smallest value of the top of the scale, which is a round number of units
 */
export class Chart {
  /** @param {ChartOptions} options */
  constructor(options) {
    this.options = options;
    this.now = create("p", { class: "chart-now" });
    this.top = create("span", { class: "chart-top", "aria-hidden": "true" });
    this.paths = options.lines.map((_, index) => createSvg("path", { class: `line line-${index}` }));
    this.svg = createSvg(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" },
      createSvg("path", { class: "grid", d: `M0 ${HEIGHT / 2}H${WIDTH}M0 0.5H${WIDTH}M0 ${HEIGHT - 0.5}H${WIDTH}` }),
      ...this.paths,
    );
    this.body = create("tbody");
    this.start = create("span");
    this.details = create("details", {}, this.#summary(), this.#table());
    this.details.addEventListener("toggle", () => this.#fillTable());
    this.root = create(
      "article",
      { class: "chart" },
      create("h3", {}, options.title),
      this.now,
      create("div", { class: "plot" }, this.svg, this.top),
      create("p", { class: "axis", "aria-hidden": "true" }, this.start, create("span", {}, "now")),
      this.details,
    );
  }

  /**
   * Draws the samples.
   * @param {{timeS: number[]}} history columns of the same length
   */
  draw(history) {
    const { lines, format, minTop, title, unit = 1 } = this.options;
    this.times = history.timeS;
    this.columns = lines.map((line) => line.values(history));
    const top = unit * niceTop(Math.max(minTop, largest(this.columns.map(largest)) || 0) / unit);
    const end = this.times.at(-1) ?? 0;
    const span_s = Math.min(MAX_SPAN_S, Math.max(MIN_SPAN_S, end - (this.times[0] ?? end)));
    this.columns.forEach((column, index) => {
      this.paths[index].setAttribute("d", pathOf(this.times, column, { end, span_s, top }));
    });
    setText(this.start, `${Math.round(span_s / 60)} min ago`);
    setText(this.top, format(top));
    const latest = lines.map((line, index) => labeled(lines, line, format(lastValue(this.columns[index]))));
    this.now.replaceChildren(...latest.map((text, index) => create("span", { class: `key key-${index}` }, text)));
    const peaks = lines.map((line, index) => labeled(lines, line, format(largest(this.columns[index]))));
    this.svg.setAttribute("aria-label", `${title}: now ${latest.join(", ")}; highest ${peaks.join(", ")}`);
    if (this.details.open) this.#fillTable();
  }

  #summary() {
    const title = create("span", { class: "visually-hidden" }, ` of ${this.options.title}`);
    return create("summary", {}, "Values", title);
  }

  #table() {
    const headers = ["Time", ...this.options.lines.map((line) => line.name)];
    const row = create("tr", {}, ...headers.map((header) => create("th", { scope: "col" }, header)));
    const caption = create("caption", { class: "visually-hidden" }, `${this.options.title}, highest in five minutes`);
    return create("table", {}, caption, create("thead", {}, row), this.body);
  }

  #fillTable() {
    if (!this.details.open || !this.times) return;
    const rows = [];
    const end = this.times.at(-1) ?? 0;
    for (let until = end; until > end - MAX_SPAN_S && until >= this.times[0]; until -= ROW_S) {
      const isInside = (index) => this.times[index] > until - ROW_S && this.times[index] <= until;
      const cells = this.columns.map((column) => largest(column.filter((_, index) => isInside(index))));
      const head = create("th", { scope: "row" }, clock(until));
      rows.push(create("tr", {}, head, ...cells.map((cell) => create("td", {}, this.options.format(cell)))));
    }
    this.body.replaceChildren(...rows);
  }
}

/**
 * @param {{end: number, span_s: number, top: number}} scale time and value of the upper right corner
 * @returns {string} the path of the values; a single value between gaps is a dot
 */
export function pathOf(times, values, { end, span_s, top }) {
  let path = "";
  let previous = Number.NEGATIVE_INFINITY;
  values.forEach((value, index) => {
    if (!Number.isFinite(value) || times[index] < end - span_s) return;
    const x = (WIDTH * (1 - (end - times[index]) / span_s)).toFixed(1);
    const y = (HEIGHT * (1 - Math.min(1, value / top))).toFixed(1);
    path += times[index] - previous > MAX_GAP_S ? `M${x} ${y}h0` : `L${x} ${y}`;
    previous = times[index];
  });
  return path;
}

/** @returns {number} 1, 2 or 5 times a power of ten that is not below the value */
export function niceTop(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 5].find((factor) => factor * power >= value * 0.9999) ?? 10);
}

/** @returns {number} the largest value; NaN if there is none */
export function largest(values) {
  return values.reduce((max, value) => (Number.isFinite(value) && !(value <= max) ? value : max), Number.NaN);
}

/** @returns {number} the latest value of the last five minutes; NaN if there is none */
function lastValue(values) {
  return values.slice(-RECENT_SAMPLES).findLast(Number.isFinite) ?? Number.NaN;
}

function labeled(lines, line, text) {
  return lines.length > 1 ? `${line.name} ${text}` : text;
}

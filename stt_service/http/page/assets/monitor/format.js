/** Values of control.proto as text. In proto3 JSON, durations are "1.5s", int64 values are strings, NaN is "NaN". */

const NO_VALUE = "–";
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** @returns {number} the seconds of a duration; 0 if it is missing */
export function seconds(duration) {
  return duration ? Number.parseFloat(duration) : 0;
}

/** @returns {string} the number with few digits; a dash for NaN */
export function number(value, digits = 2) {
  if (!Number.isFinite(value)) return NO_VALUE;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

/** @returns {string} such as "1 word", "2 words" */
export function count(value, noun) {
  return `${number(Number(value), 0)} ${noun}${Number(value) === 1 ? "" : "s"}`;
}

export function latency(value_s) {
  if (!Number.isFinite(value_s)) return NO_VALUE;
  return value_s < 1 ? `${number(value_s * 1000, value_s < 0.01 ? 1 : 0)} ms` : `${number(value_s)} s`;
}

export function percent(ratio) {
  return Number.isFinite(ratio) ? `${number(ratio * 100, 0)} %` : NO_VALUE;
}

export function bytes(value) {
  if (!Number.isFinite(value)) return NO_VALUE;
  const power = value < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(value) / 10));
  return `${number(value / 1024 ** power, power > 2 ? 1 : 0)} ${UNITS[power]}`;
}

/** @returns {string} such as "45 s", "12 min", "3 h 5 min", "2 d 4 h" */
export function age(value_s) {
  const minutes = Math.floor(value_s / 60);
  const hours = Math.floor(minutes / 60);
  if (minutes < 1) return `${Math.floor(value_s)} s`;
  if (hours < 1) return `${minutes} min`;
  if (hours < 24) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function clock(time_s) {
  return new Date(time_s * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

/** @returns {string} the word of an enum value: "SESSION_PHASE_SPEECH" without its prefix is "speech" */
export function word(value, prefix) {
  return value.replace(prefix, "").toLowerCase().replaceAll("_", " ");
}

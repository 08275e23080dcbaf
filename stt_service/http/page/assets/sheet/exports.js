// @ts-check
/** The sheet as files: plain text, and subtitles of its utterances with their edited text. Pure. */

/**
 * @typedef {Readonly<{startMs: number, endMs: number, text: string}>} Cue
 */

const MIN_CUE_MS = 1; // a cue needs a duration

/**
 * The utterances as cues, in the order of time, without overlap.
 *
 * Text that was typed after an utterance, up to the next one or the end of the line, belongs to it: a correction of its
 * last word is there.
 * @param {import("./sheet.js").Sheet} sheet
 * @returns {Cue[]}
 */
export function cues(sheet) {
  const { lines } = sheet.document;
  const marks = sheet.marks.inOrder();
  const spoken = marks.map(({ start, end, spoken: { startMs, endMs, offsetMs } }, index) => {
    const next = marks[index + 1]?.start;
    const until = next?.line === end.line ? next.offset : lines.at(end.line).length;
    const text = lines.between(start, { line: end.line, offset: Math.max(until, end.offset) });
    return { startMs: offsetMs + startMs, endMs: offsetMs + endMs, text: text.replace(/\s+/g, " ").trim() };
  });
  const sorted = spoken.filter(({ text }) => text).sort((one, other) => one.startMs - other.startMs);
  return sorted.map(({ startMs, endMs, text }, index) => {
    const next = sorted[index + 1]?.startMs ?? Infinity;
    return { startMs, endMs: Math.max(startMs + MIN_CUE_MS, Math.min(endMs, next)), text };
  });
}

/** @param {Cue[]} list */
export function toSrt(list) {
  const time = (/** @type {number} */ ms) => timestamp(ms, ",");
  return list.map((cue, index) => `${index + 1}\n${time(cue.startMs)} --> ${time(cue.endMs)}\n${cue.text}\n`).join("\n");
}

/** @param {Cue[]} list */
export function toVtt(list) {
  const time = (/** @type {number} */ ms) => timestamp(ms, ".");
  const escape = (/** @type {string} */ text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  return `WEBVTT\n${list.map((cue) => `\n${time(cue.startMs)} --> ${time(cue.endMs)}\n${escape(cue.text)}\n`).join("")}`;
}

/**
 * @param {number} milliseconds
 * @param {string} mark before the milliseconds
 */
function timestamp(milliseconds, mark) {
  const whole = Math.round(milliseconds);
  const digits = (/** @type {number} */ value, length = 2) => String(value).padStart(length, "0");
  const seconds = Math.floor(whole / 1000);
  const clock = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map((part) => digits(part));
  return `${clock.join(":")}${mark}${digits(whole % 1000, 3)}`;
}

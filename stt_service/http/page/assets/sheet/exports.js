// @ts-check
/**
 * The sheet as files: plain text, and subtitles of its utterances with their edited text. Pure.
 *
 * Marks may be nested, as an utterance can be dictated inside another one. A character belongs to the utterance that was
 * inserted last of those whose marks contain it. So the text of an utterance can have several parts.
 *
 * @typedef {import("./lines.js").Position} Position
 * @typedef {import("./marks.js").Mark} Mark
 * @typedef {Readonly<{startMs: number, endMs: number, text: string}>} Cue
 */
import { compare } from "./lines.js";
import { withSpaceBetween } from "./spacing.js";

const MIN_CUE_MS = 1; // a cue needs a duration

/**
 * The utterances as cues, in the order of time, without overlap.
 *
 * Text that was typed after an utterance, up to the next one or the end of the line, belongs to it: a correction of its
 * last word is there.
 * @param {Pick<import("./sheet.js").Sheet, "document" | "marks">} sheet
 * @returns {Cue[]}
 */
export function cues(sheet) {
  const marks = sheet.marks.inOrder();
  const offsets = offsetsOf(marks.map(({ spoken }) => spoken));
  const spoken = [...textsOf(sheet.document.lines, marks)].map(([mark, text]) => {
    const { startMs, endMs, recording } = mark.spoken;
    const offsetMs = offsets.get(recording) ?? 0;
    return { startMs: offsetMs + startMs, endMs: offsetMs + endMs, text: text.replace(/\s+/g, " ").trim() };
  });
  return withoutOverlap(spoken.filter(({ text }) => text));
}

/**
 * Where each recording starts in the time of the subtitles: at the end of the one that was begun before it.
 * @param {import("./marks.js").Spoken[]} utterances
 */
function offsetsOf(utterances) {
  /** @type {Map<string, number>} */ const ends = new Map();
  for (const { recording, endMs } of [...utterances].sort((one, other) => one.startedAt - other.startedAt)) {
    ends.set(recording, Math.max(endMs, ends.get(recording) ?? 0));
  }
  let offsetMs = 0;
  return new Map([...ends].map(([recording, endMs]) => [recording, (offsetMs += endMs) - endMs]));
}

/**
 * The text of each utterance.
 * @param {import("./lines.js").Lines} lines
 * @param {Mark[]} marks in the order of the text
 */
function textsOf(lines, marks) {
  /** @type {Map<Mark, string>} */ const texts = new Map();
  const boundaries = marks.flatMap(({ start, end }) => [start, end]).sort(compare);
  /** @type {Mark[]} */ let open = []; // the marks that contain the text after the boundary
  /** @type {Mark | undefined} */ let before; // the utterance of the text before the boundary
  let next = 0;
  boundaries.forEach((from, index) => {
    while (next < marks.length && compare(marks[next].start, from) <= 0) open.push(marks[next++]);
    open = open.filter(({ end }) => compare(from, end) < 0);
    const to = boundaries[index + 1] ?? lines.end;
    const mark = open.length ? lastInserted(open) : before;
    const part = lines.between(from, open.length ? to : endOfTyped(lines, from, to));
    if (mark && part)
      texts.set(mark, mark === before ? texts.get(mark) + part : withSpaceBetween(texts.get(mark) ?? "", part));
    before = part ? mark : before;
  });
  return texts;
}

/** @param {Mark[]} marks */
const lastInserted = (marks) => marks.reduce((one, other) => (other.order > one.order ? other : one));

/**
 * The end of the text that was typed after an utterance.
 * @param {import("./lines.js").Lines} lines
 * @param {Position} from
 * @param {Position} to the start of the next utterance, or the end of the text
 */
function endOfTyped(lines, from, to) {
  return to.line === from.line ? to : { line: from.line, offset: lines.at(from.line).length };
}

/**
 * The cues in the order of time; a cue ends when the next one starts.
 * @param {Cue[]} spoken
 */
function withoutOverlap(spoken) {
  const sorted = [...spoken].sort((one, other) => one.startMs - other.startMs);
  let free = -Infinity; // end of the cue before
  return sorted.map((cue, index) => {
    const startMs = Math.max(cue.startMs, free);
    const nextMs = sorted[index + 1]?.startMs ?? Infinity;
    free = Math.max(startMs + MIN_CUE_MS, Math.min(cue.endMs, nextMs));
    return { startMs, endMs: free, text: cue.text };
  });
}

/** @param {Cue[]} list */
export function toSrt(list) {
  const time = (/** @type {number} */ ms) => timestamp(ms, ",");
  return list
    .map((cue, index) => `${index + 1}\n${time(cue.startMs)} --> ${time(cue.endMs)}\n${cue.text}\n`)
    .join("\n");
}

/** @param {Cue[]} list */
export function toVtt(list) {
  const time = (/** @type {number} */ ms) => timestamp(ms, ".");
  const escape = (/** @type {string} */ text) =>
    text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
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

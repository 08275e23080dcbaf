// @ts-check
/**
 * Grapheme boundaries, words and control characters. Pure.
 *
 * The rules are those of stt_tui/graphemes.py, with offsets in UTF-16 code units.
 */

/** Characters that never join with their neighbors: nearly all English and Russian text. Others need a look-up. */
const SIMPLE = /^[ -~¡-¬¯-˿Ѐ-҂Ҋ-԰‐-‧‰-⁞₠-₿№]*$/u;
const WITHIN_WORDS = "'’\u200c\u200d\u2060\u00ad"; // apostrophes, joiners, the soft hyphen
const WORD_CHARACTER = /[\p{L}\p{N}\p{M}]/u;
const MAX_GRAPHEME_UNITS = 512; // of a character with its combining marks
// C0 (without tab and line feed), DEL and C1 control characters, and lone surrogates.
const CONTROLS = /[\0-\x08\x0b-\x1f\x7f-\x9f]|\p{Surrogate}/gu;
// Bidirectional overrides and isolates make a text appear as another one; see stt_client/sanitize.py.
const TRANSCRIPT_CONTROLS = /[\0-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069]/g;

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/**
 * @param {string} text
 * @param {number} from
 * @param {number} to
 */
const isSimple = (text, from, to) => SIMPLE.test(text.slice(from, to));

/**
 * The offset, or the end of the character that contains it.
 * @param {string} text
 * @param {number} offset
 */
export function boundaryAt(text, offset) {
  if (offset <= 0 || offset >= text.length) return Math.min(Math.max(offset, 0), text.length);
  if (isSimple(text, offset - 1, offset + 1)) return offset;
  const near = nearbyBoundary(text, offset);
  const window = text.slice(near, offset + MAX_GRAPHEME_UNITS);
  for (const { index } of segmenter.segment(window)) {
    if (near + index >= offset) return near + index;
  }
  return near + window.length;
}

/**
 * The end of the character that begins at the offset.
 * @param {string} text
 * @param {number} offset
 */
export function boundaryAfter(text, offset) {
  return offset >= text.length ? text.length : boundaryAt(text, offset + 1);
}

/**
 * The start of the character that ends at the offset or contains it.
 * @param {string} text
 * @param {number} offset
 */
export function boundaryBefore(text, offset) {
  return offset <= 0 ? 0 : boundaryAtOrBefore(text, offset - 1);
}

/**
 * The offset, or the start of the character that contains it.
 * @param {string} text
 * @param {number} offset
 */
export function boundaryAtOrBefore(text, offset) {
  if (offset <= 0 || offset >= text.length) return Math.min(Math.max(offset, 0), text.length);
  if (isSimple(text, offset - 1, offset + 1)) return offset;
  const near = nearbyBoundary(text, offset);
  let last = near;
  for (const { index } of segmenter.segment(text.slice(near, offset + MAX_GRAPHEME_UNITS))) {
    if (near + index > offset) break;
    last = near + index;
  }
  return last;
}

/**
 * A boundary shortly before the offset, so that a search need not read a long text from its start.
 * @param {string} text
 * @param {number} offset
 */
function nearbyBoundary(text, offset) {
  const furthest = Math.max(0, offset - MAX_GRAPHEME_UNITS);
  for (let boundary = offset - 1; boundary > furthest; boundary -= 1) {
    if (isSimple(text, boundary - 1, boundary + 1)) return boundary;
  }
  return furthest;
}

/**
 * Whether the character at the offset belongs to a word; an apostrophe or a joiner does between two letters.
 * @param {string} text
 * @param {number} offset
 */
export function isWord(text, offset) {
  const character = characterAt(text, offset);
  if (WITHIN_WORDS.includes(character)) {
    return isWordCharacter(characterAt(text, offset - 1)) && isWordCharacter(characterAt(text, offset + 1));
  }
  return character === "_" || isWordCharacter(character);
}

/** @param {string} character */
const isWordCharacter = (character) => WORD_CHARACTER.test(character);

/**
 * The code point that contains the code unit at the offset; empty outside of the text.
 * @param {string} text
 * @param {number} offset
 */
function characterAt(text, offset) {
  const unit = text.charCodeAt(offset);
  const start = unit >= 0xdc00 && unit <= 0xdfff ? offset - 1 : offset;
  const point = text.codePointAt(start);
  return point === undefined ? "" : String.fromCodePoint(point);
}

/**
 * Typed or pasted text: LF line ends, no control characters except tabs.
 * @param {string} text
 */
export function withoutControls(text) {
  return text.replace(/\r\n?/g, "\n").replace(CONTROLS, "");
}

/**
 * Text from a server: one line without control characters and bidirectional overrides.
 * @param {string} text
 */
export function sanitizeTranscript(text) {
  return text.replace(/\p{Surrogate}/gu, "\ufffd").replace(TRANSCRIPT_CONTROLS, "");
}

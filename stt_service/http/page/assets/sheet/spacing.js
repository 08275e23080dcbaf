// @ts-check
/**
 * Spaces and capitals where a recognized sentence joins the surrounding text. Pure.
 *
 * The rules are those of stt_tui/spacing.py.
 */

const BREAKS = "\\t\\n\\v\\f\\r\\x1c-\\x1f\\x85\\u2028\\u2029"; // between words and lines; no-break spaces stay
const SPACES = new RegExp(`(?:[${BREAKS}]| [ ${BREAKS}])[ ${BREAKS}]*`, "g"); // all white space but a single space
const SPACE = /^[\x1c-\x1f\x85\s]$/;
const SPACES_AT_END = /[\x1c-\x1f\x85\s]+$/;
const OPENING = "([{«„“‘‚¿¡「『【《〈〔（";
const CLOSING = ")]}»”’,.;:!?…%」』】》〉〕）、。，．！？；：";
const SENTENCE_END = ".!?…。！？";
const ENDS_AFTER = ")]}»”’\"'」』）"; // allowed between the end of a sentence and the next sentence
const CJK = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\u3000-\u3002\u3007\u30fb\u30fc\uff01-\uff60]/u;

/**
 * The text as it is inserted between `before` and `after`, the rest of its line.
 *
 * The result is one line. Spaces and the first capital aside, the text is unchanged.
 * @param {string} before
 * @param {string} text
 * @param {string} after
 */
export function withSpacing(before, text, after) {
  let line = text.replace(SPACES, " ").replace(/^ +| +$/g, "");
  if (!line.trim()) return "";
  if (beginsSentence(before)) line = capitalize(line);
  const needsLeft = needsSpace(lastOf(before), firstOf(line)) && !endsWithOpeningQuote(before);
  const needsRight = needsSpace(lastOf(line), firstOf(after)) && !startsWithClosingQuote(after);
  return (needsLeft ? " " : "") + line + (needsRight ? " " : "");
}

/**
 * Two parts of a text, with a space between them if words would join without it.
 * @param {string} before
 * @param {string} after
 */
export function withSpaceBetween(before, after) {
  return before + (needsSpace(lastOf(before), firstOf(after)) ? " " : "") + after;
}

/** @param {string} text */
const firstOf = (text) => (text ? String.fromCodePoint(/** @type {number} */ (text.codePointAt(0))) : "");

/** @param {string} text */
const lastOf = (text) => [...text.slice(-2)].at(-1) ?? "";

/**
 * @param {string} left
 * @param {string} right
 */
function needsSpace(left, right) {
  if (!left || !right || SPACE.test(left) || SPACE.test(right)) return false;
  if (OPENING.includes(left) || CLOSING.includes(right)) return false;
  return !(isSpaceless(left) && isSpaceless(right));
}

/**
 * Whether the script of the character writes words without spaces between them.
 * @param {string} character
 */
export const isSpaceless = (character) => CJK.test(character);

/**
 * Whether a straight quotation mark at the end is an opening one: a space or nothing is before it.
 * @param {string} before
 */
function endsWithOpeningQuote(before) {
  if (!/["']$/.test(before)) return false;
  const previous = before.at(-2) ?? "";
  return !previous || SPACE.test(previous) || OPENING.includes(previous);
}

/** @param {string} after */
function startsWithClosingQuote(after) {
  if (!/^["']/.test(after)) return false;
  const next = after.charAt(1);
  return !next || SPACE.test(next) || CLOSING.includes(next);
}

/** @param {string} before */
function beginsSentence(before) {
  const sentence = stripEnd(before.replace(SPACES_AT_END, ""), ENDS_AFTER);
  return (
    !stripEnd(sentence, OPENING) || (sentence !== "" && SENTENCE_END.includes(/** @type {string} */ (sentence.at(-1))))
  );
}

/**
 * @param {string} text
 * @param {string} characters
 */
function stripEnd(text, characters) {
  let end = text.length;
  while (end > 0 && characters.includes(text[end - 1])) end -= 1;
  return text.slice(0, end);
}

/**
 * Capitalize the first letter, unless the first word has a capital already: iPhone stays.
 * @param {string} text
 */
function capitalize(text) {
  const word = text.trim().split(/\s/, 1)[0];
  const isLower = word === word.toLowerCase() && word !== word.toUpperCase();
  const first = firstOf(text);
  return isLower ? first.toUpperCase() + text.slice(first.length) : text;
}

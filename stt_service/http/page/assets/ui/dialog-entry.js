// @ts-check
/** Parts of an entry in a dialog: its buttons, the failure of an action, and a date. */
import { errorInWords } from "./messages.js";

/** A line for a failure, which is announced, and what shows an error in it. */
export function failureLine() {
  const failure = document.createElement("p");
  failure.className = "failure";
  failure.setAttribute("role", "alert");
  return { failure, onFailed: (/** @type {unknown} */ error) => (failure.textContent = errorInWords(error)) };
}

/**
 * @param {string} text
 * @param {string} className
 * @param {(error: unknown) => void} onFailed
 * @param {() => Promise<void>} action
 */
export function button(text, className, onFailed, action) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = className;
  made.textContent = text;
  made.addEventListener("click", () => action().catch(onFailed));
  return made;
}

/** @param {number} timeMs as of Date.now() */
export function dateInWords(timeMs) {
  const { lang } = document.documentElement;
  return new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "short" }).format(timeMs);
}

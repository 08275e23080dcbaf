// @ts-check
/** What a screen reader announces, after the current sentence. */
import { element } from "../element.js";

const MAX_LINES = 10; // the announced ones are not needed any more

/**
 * Announce a text, also one that equals the last: each is a new line of a region that is never hidden, as a change
 * inside of a hidden region is not announced, and a text that is replaced by an equal one may not be.
 * @param {string} text
 */
export function announce(text) {
  const region = element("announcer");
  const line = document.createElement("p");
  line.textContent = text;
  region.append(line);
  while (region.childElementCount > MAX_LINES) region.firstElementChild?.remove();
}

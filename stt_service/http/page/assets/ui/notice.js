// @ts-check
/** The message above the button: for a while, or until it is withdrawn. */
import { element } from "../element.js";
import { t } from "../strings.js";
import { announce } from "./announcer.js";

const SHOWN_MS = 8000;

export class Notice {
  #box = element("notice");
  /** @type {Set<string>} */ #kept = new Set(); // keys of texts that stay; the last one is shown
  #timer = 0; // of the message that is shown for a while

  /**
   * Show a message for a while; then the kept one again.
   * @param {string} message
   */
  show(message) {
    delete this.#box.dataset.t;
    this.#box.textContent = message;
    this.#box.hidden = false;
    announce(message);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#showKept(), SHOWN_MS);
  }

  /**
   * Show a text until it is withdrawn; after a message that is shown for a while.
   * @param {string} key of the text
   */
  keep(key) {
    if (this.#kept.has(key)) return;
    this.#kept.add(key);
    if (!this.#timer) this.#showKept();
    announce(t(key));
  }

  /** Hide a kept text; a message that took its place stays for its while. @param {string} key */
  withdraw(key) {
    if (this.#kept.delete(key) && !this.#timer) this.#showKept();
  }

  #showKept() {
    this.#timer = 0;
    const key = [...this.#kept].at(-1);
    this.#box.hidden = !key;
    if (!key) return delete this.#box.dataset.t;
    this.#box.dataset.t = key; // for another language
    this.#box.textContent = t(key);
  }
}

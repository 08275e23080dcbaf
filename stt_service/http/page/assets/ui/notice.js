// @ts-check
/** The message above the button: for a while, or until it is withdrawn. */
import { element } from "../element.js";
import { t } from "../strings.js";
import { announce } from "./announcer.js";

const SHOWN_MS = 8000;

export class Notice {
  #box = element("notice");
  #kept = ""; // key of the text that stays
  #timer = 0;

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
   * Show a text at once, and until it is withdrawn.
   * @param {string} key of the text
   */
  keep(key) {
    if (key === this.#kept) return; // it was announced
    this.#kept = key;
    this.#showKept();
    announce(t(key));
  }

  /** Hide a kept text; a message that took its place stays for its while. @param {string} key */
  withdraw(key) {
    if (key !== this.#kept) return;
    const isShown = this.#box.dataset.t !== undefined;
    this.#kept = "";
    if (isShown) this.#showKept();
  }

  #showKept() {
    clearTimeout(this.#timer);
    this.#box.hidden = !this.#kept;
    if (!this.#kept) return delete this.#box.dataset.t;
    this.#box.dataset.t = this.#kept; // for another language
    this.#box.textContent = t(this.#kept);
  }
}

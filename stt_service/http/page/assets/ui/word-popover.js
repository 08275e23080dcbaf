// @ts-check
/** The popover of a doubtful word: how sure the server is, its audio, and a button that removes the underline. */
import { element } from "../element.js";
import { t } from "../strings.js";
import { errorInWords } from "./messages.js";

const GAP_PX = 8; // between the word and the popover

export class WordPopover {
  #sheet;
  #recorder;
  #popover = element("word");
  #audio = new Audio();
  /** @type {ReturnType<import("../sheet/marks.js").Marks["doubtAt"]>} */ #shown = null;

  /**
   * @param {HTMLElement} root the sheet
   * @param {import("../sheet/sheet.js").Sheet} sheet
   * @param {import("./recorder.js").Recorder} recorder
   */
  constructor(root, sheet, recorder) {
    this.#sheet = sheet;
    this.#recorder = recorder;
    root.addEventListener("click", () => this.#open());
    root.addEventListener("keydown", (event) => {
      if (!event.altKey || event.key !== "Enter" || !this.#open()) return;
      event.preventDefault();
      element("word-play").focus(); // the browser returns the focus to the sheet
    });
    element("word-play").addEventListener("click", () => this.#play());
    element("word-keep").addEventListener("click", () => this.#keep());
    this.#popover.addEventListener("toggle", () => this.#isOpen || this.#audio.pause());
  }

  get #isOpen() {
    return this.#popover.matches(":popover-open");
  }

  #open() {
    this.#sheet.readSelection();
    if (this.#sheet.document.selection) return false;
    this.#shown = this.#sheet.marks.doubtAt(this.#sheet.document.cursor);
    if (!this.#shown) return false;
    const { start, end, doubt } = this.#shown.word;
    element("word-title").textContent = this.#sheet.document.lines.between(start, end);
    element("word-confidence").textContent = t("confidence", { percent: Math.round(doubt.confidence * 100) });
    element("word-failure").textContent = "";
    this.#popover.showPopover();
    this.#place(this.#sheet.view.rangeOf(start, end).getBoundingClientRect());
    return true;
  }

  /** @param {DOMRect} word */
  #place(word) {
    const { width, height } = this.#popover.getBoundingClientRect();
    const left = Math.min(Math.max(GAP_PX, word.left), innerWidth - width - GAP_PX);
    const below = word.bottom + GAP_PX;
    const top = below + height > innerHeight ? word.top - height - GAP_PX : below;
    this.#popover.style.setProperty("--left", `${Math.max(GAP_PX, left)}px`);
    this.#popover.style.setProperty("--top", `${Math.max(GAP_PX, top)}px`);
  }

  async #play() {
    const shown = this.#shown;
    if (!shown) return;
    const { recording, number } = shown.mark.spoken;
    try {
      const audio = await this.#recorder.audioOf(recording, number);
      if (!this.#isOpen || shown !== this.#shown) return;
      URL.revokeObjectURL(this.#audio.src);
      this.#audio.src = URL.createObjectURL(audio);
      await this.#audio.play();
    } catch (error) {
      const isInterrupted = error instanceof DOMException && error.name === "AbortError"; // by a click, or closed
      if (!isInterrupted) element("word-failure").textContent = errorInWords(error);
    }
  }

  #keep() {
    if (this.#shown) this.#sheet.keepWord(this.#shown.mark, this.#shown.word);
    this.#popover.hidePopover();
    this.#sheet.focus();
  }
}

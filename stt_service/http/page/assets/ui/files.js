// @ts-check
/** The text to the clipboard and to files. */
import { element } from "../element.js";
import { cues, toSrt, toVtt } from "../sheet/exports.js";
import { t } from "../strings.js";
import { errorInWords } from "./messages.js";

const URL_LIFETIME_MS = 60_000; // a browser reads a download after the click

export class Files {
  #sheet;
  #recorder;
  #notify;

  /**
   * @param {import("../sheet/sheet.js").Sheet} sheet
   * @param {import("./recorder.js").Recorder} recorder
   * @param {(message: string) => void} notify
   */
  constructor(sheet, recorder, notify) {
    this.#sheet = sheet;
    this.#recorder = recorder;
    this.#notify = notify;
    element("copy").addEventListener("click", () => this.copy());
    for (const button of document.querySelectorAll("[data-download]")) {
      button.addEventListener("click", () => this.download(button.getAttribute("data-download") ?? ""));
    }
  }

  /** Copy the selection, or the whole text. */
  async copy() {
    this.#sheet.readSelection();
    const text = this.#sheet.document.selectedText() || this.#sheet.document.text();
    if (!text.trim()) return this.#notify(t("noText"));
    this.#notify(t((await write(text)) ? "copied" : "copyFailed", { key: "Ctrl+C" }));
  }

  /**
   * Copy a sentence; without permission, as in a window without the focus, nothing happens.
   * @param {string} text
   */
  async copySentence(text) {
    await write(text);
  }

  /** @param {string} format */
  async download(format) {
    try {
      const content = await this.#content(format);
      if (typeof content === "string") return this.#notify(content);
      save(content, `${nameOf(new Date())}.${format}`);
    } catch (error) {
      this.#notify(errorInWords(error));
    }
  }

  /**
   * The content of a file, or why there is none.
   * @param {string} format
   * @returns {Promise<Blob | string>}
   */
  async #content(format) {
    if (format === "wav") return this.#recorder.download();
    const text = this.#sheet.document.text();
    if (!text.trim()) return t("noText");
    if (format === "txt") return textFile(text, "text/plain");
    const list = cues(this.#sheet);
    if (!list.length) return t("noSubtitles");
    return format === "srt" ? textFile(toSrt(list), "application/x-subrip") : textFile(toVtt(list), "text/vtt");
  }
}

/** @param {string} text @returns {Promise<boolean>} whether it is in the clipboard; browsers may refuse access */
export async function write(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyByCommand(text);
  }
}

/**
 * Copy a text as a user's command does: the clipboard API needs a secure context. The focus and the selection stay.
 * @param {string} text
 */
function copyByCommand(text) {
  const enable = (/** @type {Event} */ event) => event.preventDefault(); // the command, also without a selection
  const copy = (/** @type {ClipboardEvent} */ event) => {
    event.preventDefault();
    event.stopPropagation(); // to the sheet, which would copy its selection
    event.clipboardData?.setData("text/plain", text);
  };
  document.addEventListener("beforecopy", enable, { capture: true });
  document.addEventListener("copy", copy, { capture: true });
  try {
    return document.execCommand("copy");
  } finally {
    document.removeEventListener("beforecopy", enable, { capture: true });
    document.removeEventListener("copy", copy, { capture: true });
  }
}

/**
 * @param {string} text
 * @param {string} type
 */
const textFile = (text, type) => new Blob([text], { type: `${type};charset=utf-8` });

/** @param {Date} date */
function nameOf(date) {
  const local = new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString();
  return `dictation-${local.slice(0, 10)}-${local.slice(11, 19).replaceAll(":", "")}`;
}

/**
 * @param {Blob} content
 * @param {string} name
 */
function save(content, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), URL_LIFETIME_MS);
}

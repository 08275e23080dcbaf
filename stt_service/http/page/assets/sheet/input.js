// @ts-check
/**
 * Keys, clipboard, drag and input methods, converted to edits of the document.
 *
 * Every `beforeinput` is canceled and done in the document instead. Only an input method changes the DOM itself; its
 * result is read from the DOM when the composition ends. sheet.js has a table of who may change the DOM.
 */
import { hasCommandKey, isMac, shortcutKey } from "../keys.js";
import { withoutControls } from "./graphemes.js";

const MAX_PASTE_CHARACTERS = 4_000_000;
/** What a deletion removes, by the name of the input event; without a match, a character. */
const DELETED = [
  ["Word", "word"],
  ["SoftLine", "lineboundary"],
  ["HardLine", "paragraphboundary"],
];

export class Input {
  #root;
  #sheet;
  #dragged = false; // text of the sheet is being dragged

  /**
   * @param {HTMLElement} root
   * @param {import("./sheet.js").Sheet} sheet
   */
  constructor(root, sheet) {
    this.#root = root;
    this.#sheet = sheet;
    root.addEventListener("beforeinput", (event) => this.#beforeInput(event));
    root.addEventListener("input", () => sheet.readFromDom());
    root.addEventListener("keydown", (event) => this.#keyDown(event));
    root.addEventListener("compositionstart", () => sheet.beginComposition());
    root.addEventListener("compositionupdate", () => sheet.continueComposition());
    root.addEventListener("compositionend", () => sheet.endComposition());
    this.#listenToClipboard();
    this.#listenToDrag();
  }

  #listenToClipboard() {
    this.#root.addEventListener("copy", (event) => this.#copy(event));
    this.#root.addEventListener("cut", (event) => {
      if (this.#copy(event)) this.#sheet.edit((document) => document.deleteBefore());
    });
    this.#root.addEventListener("paste", (event) => {
      event.preventDefault();
      this.#paste(event.clipboardData?.getData("text/plain") ?? "");
    });
  }

  #listenToDrag() {
    this.#root.addEventListener("dragstart", () => (this.#dragged = true));
    this.#root.addEventListener("dragend", () => (this.#dragged = false));
    this.#root.addEventListener("drop", (event) => this.#drop(event));
  }

  /** @param {InputEvent} event */
  #beforeInput(event) {
    if (event.inputType === "insertCompositionText" || this.#sheet.isComposing) return;
    event.preventDefault();
    if (event.inputType.startsWith("delete")) this.#delete(event);
    else if (event.inputType === "historyUndo") this.#sheet.edit((document) => document.undo());
    else if (event.inputType === "historyRedo") this.#sheet.edit((document) => document.redo());
    else if (event.inputType.startsWith("insert")) this.#insert(event);
  }

  /** @param {InputEvent} event */
  #insert(event) {
    const isBreak = event.inputType === "insertParagraph" || event.inputType === "insertLineBreak";
    const text = isBreak ? "\n" : (event.data ?? event.dataTransfer?.getData("text/plain") ?? "");
    const range = event.inputType === "insertReplacementText" ? this.#sheet.targetRange(event) : null;
    if (range) this.#sheet.edit((document) => document.replace(range.start, range.end, withoutControls(text)));
    else this.#sheet.edit((document) => document.type(withoutControls(text)));
  }

  /** @param {InputEvent} event */
  #delete({ inputType }) {
    const direction = inputType.endsWith("Forward") ? "forward" : "backward";
    const granularity = DELETED.find(([name]) => inputType.includes(name))?.[1];
    if (granularity) this.#sheet.extendSelection(direction, granularity);
    this.#sheet.edit((document) => (direction === "forward" ? document.deleteAfter() : document.deleteBefore()));
  }

  /** @param {KeyboardEvent} event */
  #keyDown(event) {
    if (event.isComposing || event.altKey || !hasCommandKey(event)) return;
    const key = shortcutKey(event);
    const isRedo = (key === "z" && event.shiftKey) || (key === "y" && !isMac);
    if (!isRedo && key !== "z") return;
    event.preventDefault(); // the browser has no history of its own, so that it fires no `historyUndo`
    this.#sheet.edit((document) => (isRedo ? document.redo() : document.undo()));
  }

  /** @param {ClipboardEvent} event */
  #copy(event) {
    this.#sheet.readSelection();
    const text = this.#sheet.document.selectedText();
    if (!text) return false;
    event.preventDefault();
    event.clipboardData?.setData("text/plain", text);
    return true;
  }

  /** @param {string} text */
  #paste(text) {
    const pasted = this.#limited(text);
    this.#sheet.edit((document) => document.paste(pasted));
  }

  /** The text to paste, without the part that is too long. @param {string} text */
  #limited(text) {
    const leftOut = text.length - MAX_PASTE_CHARACTERS;
    if (leftOut > 0) this.#sheet.dispatchEvent(new CustomEvent("leftOut", { detail: leftOut }));
    return withoutControls(text.slice(0, MAX_PASTE_CHARACTERS));
  }

  /** @param {DragEvent} event */
  #drop(event) {
    const text = event.dataTransfer?.getData("text/plain");
    event.preventDefault(); // neither files nor markup
    if (!text) return;
    const isMove =
      this.#dragged && event.dataTransfer?.dropEffect !== "copy" && !(isMac ? event.altKey : event.ctrlKey);
    this.#sheet.drop(event.clientX, event.clientY, isMove ? text : this.#limited(text), isMove);
  }
}

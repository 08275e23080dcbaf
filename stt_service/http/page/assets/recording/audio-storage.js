/** The browser's storage of audio for a dictation: opened once, kept within its budget, and its failures reported. */

import { journalOfPage } from "./journal.js";
import { DEFAULT_BUDGET_BYTES, enforceBudget, makeRoom } from "./retention.js";

const BUDGET_CHECK_MS = 60_000;

const MESSAGES = {
  full: "The storage of this browser is full: audio stays in memory, and is lost if this page is closed.",
  unavailable: "The storage of this browser cannot be used: audio stays in memory, and is lost if this page is closed.",
  available: "Audio is stored again.",
};

export class AudioStorage {
  /**
   * @param {(storage: {kind: "full" | "unavailable" | "available", message: string}) => void} report its kind changed
   * @param {import("./journal.js").Journal | null} [journal] null: memory only; that of the page when omitted
   * @param {number} [budgetBytes]
   */
  constructor(report, journal, budgetBytes = DEFAULT_BUDGET_BYTES) {
    this._report = report;
    this._budgetBytes = budgetBytes;
    this._kind = "available";
    this._checkedAtMs = 0; // when the budget was last enforced
    this.journal = journal;
  }

  async open() {
    if (this.journal !== undefined) return;
    this.journal = journalOfPage; // also if it does not open now: writes are tried again
    await this.journal.open().catch(this.onWrite);
  }

  /** Ask the browser not to evict the audio, and delete audio above the budget. */
  async keep() {
    this._checkedAtMs = performance.now();
    if (!this.journal) return;
    requestPersistence();
    await enforceBudget(this.journal, this._budgetBytes).catch(() => {}); // reported by the next write
  }

  /** `keep`, at most once in BUDGET_CHECK_MS. */
  keepThrottled() {
    if (performance.now() - this._checkedAtMs > BUDGET_CHECK_MS) this.keep();
  }

  /** Take the result of a write. @type {(error: DOMException | null) => void} null: storage works again */
  onWrite = (error) => {
    if (!error) return this._change("available");
    const isFull = error.name === "QuotaExceededError";
    this._change(isFull ? "full" : "unavailable");
    if (isFull) makeRoom(this.journal).catch(() => {}); // the recording tries its writes again, and reports
  };

  _change(kind) {
    if (kind === this._kind) return;
    this._kind = kind;
    this._report({ kind, message: MESSAGES[kind] });
  }
}

let isPersistenceRequested = false;

/** Ask once: some browsers ask the user each time, and wait for the answer. */
function requestPersistence() {
  if (isPersistenceRequested) return;
  isPersistenceRequested = true;
  navigator.storage?.persist?.().catch(() => {});
}

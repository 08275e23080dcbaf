// @ts-check
/**
 * The sheets in the browser's storage: text, cursor and the places of utterances survive a reload and a crash.
 *
 * A tab owns its sheet by a lock. A reloaded tab gets its sheet again; a new tab gets the last one, or an empty one if
 * another tab has that sheet. Changes are written a moment later, and when the page is hidden; what is not written yet
 * when the page closes goes to localStorage, which is synchronous. So does what the database refuses because it is full;
 * where localStorage is full, too, the browser asks the user before it closes the page.
 *
 * A sheet that cannot be read is never overwritten: the tab takes another one, and writes it when the database opens.
 *
 * @typedef {{text: string, cursor: import("./lines.js").Position, marks: import("./marks.js").Stored}} Content
 * @typedef {Content & {id: string, savedAt: number}} Row
 * @typedef {{rows: Row[], isComplete: boolean}} Rows `isComplete`: the database could be read
 * @typedef {"kept" | "full" | "refused"} Outcome  of saving the sheet: it is kept, or why it is lost when the page closes
 */
import { Database } from "../database.js";
import { heldLocks, holdLock } from "../locks.js";
import { randomId } from "../random.js";
import { local, session } from "../storage.js";

const DATABASE = "stt-sheets";
const STORE = "sheets";
const ID_KEY = "stt-sheet-id"; // in sessionStorage
const COPY_KEY = "stt-sheet-copy:"; // in localStorage
const LOCK = "stt-sheet:"; // name of the lock of a sheet
const SAVE_DELAY_MS = 300;
const TIMEOUT_MS = 3000; // of a read or write: another page, or the browser, can block the database
const LOCK_TIMEOUT_MS = 1500; // a reloaded page waits for its predecessor
const KEPT_SHEETS = 20;

export class Store {
  #database = new Database(DATABASE, 1, (database) => database.createObjectStore(STORE, { keyPath: "id" }), TIMEOUT_MS);
  #id = "";
  #release = () => {}; // the lock of the sheet
  #isIdKept = false; // this tab gets the sheet again after a reload
  /** @type {() => Content} */ #content = () => emptyContent();
  #savedAt = 0; // of the last row
  #timer = 0;
  #isChanged = false;
  #isOnlyCopied = false; // the last change is not in the database
  /** @type {Promise<void> | null} */ #saving = null;
  /** @type {Outcome} */ #outcome = "kept";
  isUnread = false; // this tab had a sheet that could not be read
  /** @type {(outcome: Outcome) => void} it has changed */ onOutcome = () => {};

  constructor() {
    addEventListener("pagehide", () => this.#saveCopy());
    addEventListener("beforeunload", (event) => this.#isLost && event.preventDefault());
    document.addEventListener("visibilitychange", () => document.hidden && this.save());
  }

  /** Whether text is lost when the page closes. */
  get #isLost() {
    return this.#outcome !== "kept" && this.#content().text !== "";
  }

  /** Id of the sheet of this tab. */
  get id() {
    return this.#id;
  }

  static async open() {
    const store = new Store();
    store.#database.onOpen = () => store.#isOnlyCopied && store.changed(); // also when the page no longer waits for it
    await store.#database.open().catch(() => {}); // the page opens without the database
    return store;
  }

  /**
   * Claim a sheet and return its content.
   * @returns {Promise<Content>}
   */
  async load() {
    const own = session.get(ID_KEY);
    const first = await this.#rows();
    const { rows, isComplete } = first;
    this.isUnread = own !== null && !isComplete && !rows.some(({ id }) => id === own);
    const wanted = this.isUnread ? [] : [own, rows[0]?.id];
    for (const id of new Set(wanted)) {
      const release = id ? await claim(id, id === own) : null;
      if (id && release) return this.#use(id, release, first);
    }
    const id = randomId();
    return this.#use(id, (await claim(id, false)) ?? (() => {}), first);
  }

  /**
   * Save the content a moment after `changed`.
   * @param {() => Content} content
   */
  follow(content) {
    this.#content = content;
  }

  changed() {
    this.#isChanged = true;
    this.#timer ||= setTimeout(() => this.save(), SAVE_DELAY_MS);
  }

  /** Save now what has changed, also during the writes; return whether no text would be lost if the page closed. */
  async save() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (this.#isChanged) this.#saving ??= this.#save();
    await this.#saving;
    return !this.#isLost;
  }

  /** Write one row at a time: a write that the database tries again must not replace a later one. */
  async #save() {
    while (this.#isChanged) {
      this.#isChanged = false;
      this.#keepId();
      await this.#write(this.#row());
    }
    this.#saving = null;
  }

  /** @param {Row} row */
  async #write(row) {
    try {
      await this.#database.write([STORE], (sheets) => sheets.put(row));
      local.remove(COPY_KEY + row.id);
      this.#isOnlyCopied = false;
      this.#setOutcome("kept");
    } catch (error) {
      this.#isOnlyCopied = true;
      const isFull = /** @type {DOMException} */ (error).name === "QuotaExceededError";
      this.#setOutcome(copy(row) ? "kept" : isFull ? "full" : "refused");
    }
  }

  /** @param {Outcome} outcome */
  #setOutcome(outcome) {
    if (outcome === this.#outcome) return;
    this.#outcome = outcome;
    this.onOutcome(outcome);
  }

  /**
   * Continue with a new sheet, which has the content until the caller clears it; the one before is kept. Return false if
   * it cannot be: nothing has changed.
   */
  async startNew() {
    const id = randomId();
    const release = await claim(id, false);
    const isSaved = await this.save();
    (isSaved ? this.#release : release)?.();
    if (!isSaved) return false;
    this.#release = release ?? (() => {});
    this.#id = id;
    this.#isIdKept = false;
    this.#keepId();
    return true;
  }

  /**
   * The sheets with text that no tab has open, the newest first; incomplete if the database cannot be read.
   * @returns {Promise<{rows: Row[], isComplete: boolean}>}
   */
  async earlier() {
    const open = await this.#open();
    const { rows, isComplete } = await this.#rows();
    return { rows: rows.filter(({ id, text }) => text.trim() && !open.has(LOCK + id)), isComplete };
  }

  /**
   * Give this tab a sheet when it is loaded again. Return false if text would be lost then: nothing has changed.
   * @param {string} id
   */
  async open(id) {
    if (!(await this.save())) return false;
    this.#isIdKept = true;
    session.set(ID_KEY, id);
    return true;
  }

  /**
   * Delete a sheet, unless a tab has it open; return whether it is deleted.
   * @param {string} id
   * @param {(sheet: Row, others: Row[]) => Promise<void>} deleteAudio of the sheet
   */
  async delete(id, deleteAudio) {
    const release = await claim(id, false);
    if (!release) return false;
    try {
      await this.save(); // this tab's sheet is among the others
      const { rows, isComplete } = await this.#rows();
      // One that cannot be read may have text of the same audio.
      if (!isComplete) throw Object.assign(new Error("The sheets could not be read."), { kind: "unread" });
      const sheet = rows.find((row) => row.id === id);
      if (sheet)
        await deleteAudio(
          sheet,
          rows.filter((row) => row !== sheet),
        );
      await this.#database.write([STORE], (sheets) => sheets.delete(id));
      local.remove(COPY_KEY + id);
    } finally {
      release();
    }
    if (this.#isOnlyCopied) this.changed(); // the storage may have room now
    return true;
  }

  /** The locks of the sheets that this tab and others have open. */
  async #open() {
    return (await heldLocks()).add(LOCK + this.#id);
  }

  #keepId() {
    if (!this.#isIdKept) session.set(ID_KEY, this.#id);
    this.#isIdKept = true;
  }

  /** A row that is newer than those before, also if the clock was set back. @returns {Row} */
  #row() {
    this.#savedAt = Math.max(Date.now(), this.#savedAt + 1);
    return { ...this.#content(), id: this.#id, savedAt: this.#savedAt };
  }

  /** Write what an asynchronous write would lose. */
  #saveCopy() {
    const row = this.#row(); // this may take a moved cursor, which is a change
    if (!this.#isChanged && !this.#saving) return;
    this.#keepId();
    copy(row);
  }

  /**
   * @param {string} id of a sheet that this tab has locked
   * @param {() => void} release
   * @param {Rows} first what was read before the sheet was locked
   * @returns {Promise<Content>}
   */
  async #use(id, release, first) {
    this.#id = id;
    this.#release = release;
    // Read again, as its tab may have written until it was closed; a database that did not respond is not asked twice.
    const { rows, isComplete } = first.isComplete ? await this.#rows() : first;
    if (isComplete) this.#deleteOld(rows).catch(() => {});
    const row = (isComplete ? rows : [...rows, ...first.rows]).find((each) => each.id === id);
    this.#savedAt = row?.savedAt ?? 0;
    if (row || isComplete) this.#keepId();
    return row ? { text: row.text, cursor: row.cursor, marks: row.marks } : emptyContent();
  }

  /** The newest row of each sheet, the newest sheet first; incomplete if the database cannot be read. */
  async #rows() {
    /** @type {Row[] | null} */
    const stored = await this.#database.read([STORE], (sheets) => sheets.getAll()).catch(() => null);
    const sorted = [...copies(), ...(stored ?? [])].sort((one, other) => other.savedAt - one.savedAt);
    const rows = sorted.filter(({ id }, index) => sorted.findIndex((row) => row.id === id) === index);
    return { rows, isComplete: stored !== null };
  }

  /** Delete the oldest sheets, except those that tabs have open. @param {Row[]} rows the newest first */
  async #deleteOld(rows) {
    const open = await this.#open();
    const others = rows.filter(({ id }) => !open.has(LOCK + id));
    const [full, empty] = [others.filter(({ text }) => text), others.filter(({ text }) => !text)];
    for (const { id } of [...full, ...empty].slice(KEPT_SHEETS - 1)) {
      local.remove(COPY_KEY + id);
      await this.#database.write([STORE], (sheets) => sheets.delete(id));
    }
  }
}

/**
 * Write the row to localStorage; return whether it is kept, for which it may be too long.
 * @param {Row} row
 */
const copy = (row) => local.set(COPY_KEY + row.id, JSON.stringify(row));

/** @returns {Content} */
const emptyContent = () => ({ text: "", cursor: { line: 0, offset: 0 }, marks: { marks: [], lastInserted: [] } });

/**
 * What earlier pages could not write to the database any more.
 * @returns {Row[]}
 */
function copies() {
  const keys = local.keys().filter((key) => key.startsWith(COPY_KEY));
  return keys.map((key) => parsed(local.get(key) ?? "")).filter((row) => row !== null);
}

/**
 * The stored row, or null if it is damaged.
 * @param {string} text
 */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * Lock the sheet until the page closes; return what releases it, or null if another tab has it.
 * @param {string} id
 * @param {boolean} isOwn the tab had it before a reload
 * @returns {Promise<(() => void) | null>}
 */
const claim = (id, isOwn) => holdLock(LOCK + id, isOwn ? LOCK_TIMEOUT_MS : 0).catch(() => null);

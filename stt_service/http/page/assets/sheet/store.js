// @ts-check
/**
 * The sheets in the browser's storage: text, cursor and the places of utterances survive a reload and a crash.
 *
 * A tab owns its sheet by a lock. A reloaded tab gets its sheet again; a new tab gets the last one that no tab has
 * open, or an empty one. Changes are written a moment later, and when the page is hidden; what is not written yet when
 * the page closes goes to localStorage, which is synchronous.
 *
 * @typedef {{text: string, cursor: import("./lines.js").Position, marks: import("./marks.js").Stored}} Content
 * @typedef {Content & {id: string, savedAt: number}} Row
 */

const DATABASE = "stt-sheets";
const STORE = "sheets";
const ID_KEY = "stt-sheet-id"; // in sessionStorage
const COPY_KEY = "stt-sheet-copy:"; // in localStorage
const SAVE_DELAY_MS = 300;
const LOCK_TIMEOUT_MS = 1500; // a reloaded page waits for its predecessor
const OPEN_TIMEOUT_MS = 3000; // another tab can block the database
const KEPT_SHEETS = 20;

export class Store {
  #database;
  #id = "";
  /** @type {() => Content} */ #content = () => emptyContent();
  #timer = 0;
  #isChanged = false;
  #writes = 0; // to the database, not completed
  /** @type {() => void} */ onFailure = () => {};

  /** @param {IDBDatabase | null} database null: nothing is kept */
  constructor(database) {
    this.#database = database;
    addEventListener("pagehide", () => this.#saveCopy());
    document.addEventListener("visibilitychange", () => document.hidden && this.save());
  }

  static async open() {
    return new Store(await openDatabase().catch(() => null));
  }

  /**
   * Claim a sheet and return its content.
   * @returns {Promise<Content>}
   */
  async load() {
    const own = read(() => sessionStorage.getItem(ID_KEY));
    const [last] = await this.#rows();
    for (const id of new Set([own, last?.id])) {
      if (id && (await claim(id, id === own))) return this.#use(id);
    }
    const id = crypto.randomUUID();
    await claim(id, false);
    return this.#use(id);
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

  /** Save now what has changed. */
  async save() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (!this.#isChanged) return;
    this.#isChanged = false;
    this.#writes += 1;
    try {
      await this.#write(this.#row());
      read(() => localStorage.removeItem(COPY_KEY + this.#id));
    } catch {
      if (!this.#saveCopy()) this.onFailure();
    }
    this.#writes -= 1;
  }

  /** @param {Row} row */
  async #write(row) {
    if (!this.#database) throw new Error("There is no database.");
    const transaction = this.#database.transaction(STORE, "readwrite");
    transaction.objectStore(STORE).put(row);
    await completed(transaction);
  }

  /** @returns {Row} */
  #row() {
    return { ...this.#content(), id: this.#id, savedAt: Date.now() };
  }

  /** Write what an asynchronous write would lose; return whether that is possible. */
  #saveCopy() {
    const row = this.#row(); // this may take a moved cursor, which is a change
    if (!this.#isChanged && !this.#writes) return true;
    try {
      localStorage.setItem(COPY_KEY + this.#id, JSON.stringify(row));
      return true;
    } catch {
      return false; // no storage, or the text exceeds localStorage
    }
  }

  /**
   * @param {string} id of a sheet that this tab has locked
   * @returns {Promise<Content>}
   */
  async #use(id) {
    this.#id = id;
    read(() => sessionStorage.setItem(ID_KEY, id));
    const rows = await this.#rows(); // again: the tab that had the sheet may have written until it was closed
    this.#deleteOld(rows).catch(() => {});
    const row = rows.find((each) => each.id === id);
    return row ? { text: row.text, cursor: row.cursor, marks: row.marks } : emptyContent();
  }

  /**
   * The newest row of each sheet, the newest sheet first.
   * @returns {Promise<Row[]>}
   */
  async #rows() {
    const stored = this.#database?.transaction(STORE).objectStore(STORE).getAll();
    const rows = stored ? await result(stored).catch(() => []) : [];
    const sorted = [...copies(), ...rows].sort((one, other) => other.savedAt - one.savedAt);
    return sorted.filter(({ id }, index) => sorted.findIndex((row) => row.id === id) === index);
  }

  /** @param {Row[]} rows the newest first */
  async #deleteOld(rows) {
    for (const { id } of rows.slice(KEPT_SHEETS)) {
      read(() => localStorage.removeItem(COPY_KEY + id));
      this.#database?.transaction(STORE, "readwrite").objectStore(STORE).delete(id);
    }
  }
}

/** @returns {Content} */
const emptyContent = () => ({ text: "", cursor: { line: 0, offset: 0 }, marks: { marks: [], lastInserted: [] } });

/**
 * What earlier pages could not write to the database any more.
 * @returns {Row[]}
 */
function copies() {
  const keys = read(() => Object.keys(localStorage)) ?? [];
  const texts = keys.filter((key) => key.startsWith(COPY_KEY)).map((key) => localStorage.getItem(key));
  return texts.map((text) => read(() => JSON.parse(text ?? ""))).filter((row) => row !== null);
}

/**
 * The value, or null if the browser refuses storage or the stored text is damaged.
 * @template T
 * @param {() => T} access
 */
function read(access) {
  try {
    return access();
  } catch {
    return null;
  }
}

/**
 * Lock the sheet until the page closes; return whether no other tab has it.
 * @param {string} id
 * @param {boolean} isOwn the tab had it before a reload
 * @returns {Promise<boolean>}
 */
function claim(id, isOwn) {
  if (!navigator.locks) return Promise.resolve(true);
  const options = isOwn ? { signal: AbortSignal.timeout(LOCK_TIMEOUT_MS) } : { ifAvailable: true };
  return new Promise((resolve) => {
    const hold = (/** @type {Lock | null} */ lock) => {
      resolve(lock !== null);
      return lock ? new Promise(() => {}) : undefined;
    };
    navigator.locks.request(`stt-sheet:${id}`, options, hold).catch(() => resolve(false));
  });
}

/** @returns {Promise<IDBDatabase>} */
function openDatabase() {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
  const timeout = new Promise((_, reject) => setTimeout(() => reject(new Error("timeout")), OPEN_TIMEOUT_MS));
  return Promise.race([result(request), timeout]);
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function result(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @param {IDBTransaction} transaction */
function completed(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(undefined);
    transaction.onabort = () => reject(transaction.error);
  });
}

/**
 * Recordings on disk: audio, results and the state that resumes them after a reload or a crash of the tab.
 *
 * One IndexedDB database. A chunk is immutable; a recording's row is replaced as a whole, in one transaction with the
 * result that changed it. So a crash leaves a recording as it was after some event, and the audio after its committed
 * position is complete. Rows of chunks are found by [recording, offset in bytes].
 */

const DATABASE = "stt-recordings";
const VERSION = 1;
export const MAX_CHUNK_BYTES = 65_536; // so that a read finds the chunk that holds a position
const OPEN_TIMEOUT_MS = 5000; // an older page in another tab can block the database

/**
 * @typedef {{id: string, startedAt: number, rateHz: number, wasStarted: boolean, isComplete: boolean,
 *   settings: object, commands: {position: number, command: object}[],
 *   resume: import("./resume.js").ResumeState}} RecordingRow
 * @typedef {{offset: number, data: Uint8Array}} Chunk
 */

let opening = null; // of this page: one connection is sufficient

/**
 * Return the journal; all callers share one connection.
 * @returns {Promise<Journal>}
 * @throws {Error} this browser has no storage, or refuses it
 */
export function openJournal() {
  opening ??= open();
  return opening;
}

async function open() {
  try {
    const request = indexedDB.open(DATABASE, VERSION);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("recordings", { keyPath: "id" });
      request.result.createObjectStore("chunks", { keyPath: ["recording", "offset"] });
      request.result.createObjectStore("results", { keyPath: ["recording", "utterance"] });
    };
    return new Journal(await withTimeout(result(request)));
  } catch (error) {
    opening = null; // the next caller tries again
    throw error;
  }
}

/** The database was closed by the browser or for a newer page: open it again when it is used again. */
function forget() {
  opening = null;
}

function withTimeout(opening) {
  let timer;
  const timeout = new Promise((_, reject) => {
    const error = new DOMException("The storage of this browser does not respond.", "TimeoutError");
    timer = setTimeout(() => reject(error), OPEN_TIMEOUT_MS);
  });
  return Promise.race([opening, timeout]).finally(() => clearTimeout(timer));
}

export class Journal {
  /** @param {IDBDatabase} database */
  constructor(database) {
    this._database = database;
    database.onclose = forget;
    database.onversionchange = () => this.close(); // a newer page in another tab upgrades the database
  }

  /** @param {RecordingRow} row */
  async putRecording(row) {
    await this._write(["recordings"], (recordings) => recordings.put(row));
  }

  /** Store a result with the row that it changed. @param {RecordingRow} row @param {object} event */
  async putResult(row, event) {
    await this._write(["recordings", "results"], (recordings, results) => {
      recordings.put(row);
      results.put({ ...event, recording: row.id });
    });
  }

  /** @param {string} recording @param {Chunk[]} chunks */
  async putChunks(recording, chunks) {
    await this._write(["chunks"], (store) => {
      for (const { offset, data } of chunks) store.put({ recording, offset, data });
    });
  }

  /** @param {string} id @returns {Promise<RecordingRow | undefined>} */
  async recording(id) {
    return this._read("recordings", (recordings) => recordings.get(id));
  }

  /** @returns {Promise<RecordingRow[]>} oldest first */
  async recordings() {
    const rows = await this._read("recordings", (recordings) => recordings.getAll());
    return rows.sort((one, other) => one.startedAt - other.startedAt);
  }

  /** @param {string} recording @returns {Promise<object[]>} finals and suppressions, in order */
  async results(recording) {
    return this._read("results", (results) => results.getAll(within(recording)));
  }

  /**
   * Return the chunks that overlap [from, to), in order.
   * @param {string} recording @param {number} from @param {number} to
   * @returns {Promise<Chunk[]>}
   */
  async chunks(recording, from, to) {
    const range = IDBKeyRange.bound([recording, from - MAX_CHUNK_BYTES], [recording, to], false, true);
    const chunks = await this._read("chunks", (store) => store.getAll(range));
    return chunks.filter(({ offset, data }) => offset + data.length > from);
  }

  /** @param {string} recording @returns {Promise<{start: number, end: number}>} bytes that are stored */
  async extent(recording) {
    const transaction = this._database.transaction("chunks");
    const chunks = transaction.objectStore("chunks");
    const [first, last] = await Promise.all([
      result(chunks.openCursor(within(recording))),
      result(chunks.openCursor(within(recording), "prev")),
    ]);
    if (!first) return { start: 0, end: 0 };
    return { start: first.value.offset, end: last.value.offset + last.value.data.length };
  }

  /** Delete the chunks that end before the position. @param {string} recording @param {number} before */
  async deleteChunks(recording, before) {
    const range = IDBKeyRange.bound([recording, 0], [recording, before - MAX_CHUNK_BYTES], false, true);
    if (before > MAX_CHUNK_BYTES) await this._write(["chunks"], (chunks) => chunks.delete(range));
  }

  /** @param {string} recording */
  async deleteRecording(recording) {
    await this._write(["recordings", "chunks", "results"], (recordings, chunks, results) => {
      recordings.delete(recording);
      chunks.delete(within(recording));
      results.delete(within(recording));
    });
  }

  close() {
    this._database.close();
    forget();
  }

  async _read(store, request) {
    return result(request(this._database.transaction(store).objectStore(store)));
  }

  /** Run the requests in one transaction; resolve once it is complete. */
  async _write(stores, requests) {
    const transaction = this._database.transaction(stores, "readwrite");
    const completed = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error ?? new DOMException("aborted", "AbortError"));
    });
    requests(...stores.map((store) => transaction.objectStore(store)));
    await completed;
  }
}

function within(recording) {
  return IDBKeyRange.bound([recording, 0], [recording, Infinity]);
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
function result(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    if (request instanceof IDBOpenDBRequest) request.onblocked = () => {}; // resolved once the other tab closes it
  });
}

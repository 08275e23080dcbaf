/**
 * Recordings on disk: audio, results and the state that resumes them after a reload or a crash of the tab.
 *
 * One IndexedDB database. A chunk is immutable; a recording's row is replaced as a whole, in one transaction with the
 * results that changed it. So a crash leaves a recording as it was after some event, and the audio after its committed
 * position is complete. Rows of chunks are found by [recording, offset in bytes].
 */

import { Database } from "../database.js";

export const MAX_CHUNK_BYTES = 65_536; // so that a read finds the chunk that holds a position

/**
 * @typedef {{id: string, startedAt: number, rateHz: number, wasStarted: boolean, isComplete: boolean,
 *   settings: object, commands: {position: number, command: object}[], resume: import("./resume.js").ResumeState,
 *   sheets: import("./delivery.js").Ownership[], captionsName?: string}} RecordingRow
 * @typedef {{offset: number, data: Uint8Array}} Chunk
 */

const DATABASE = new Database("stt-recordings", 1, (database) => {
  database.createObjectStore("recordings", { keyPath: "id" });
  database.createObjectStore("chunks", { keyPath: ["recording", "offset"] });
  database.createObjectStore("results", { keyPath: ["recording", "utterance"] });
});

/**
 * Return the journal of this page once its database is open.
 * @returns {Promise<Journal>}
 * @throws {Error} this browser has no storage, or refuses it
 */
export async function openJournal() {
  await journalOfPage.open();
  return journalOfPage;
}

export class Journal {
  /** @param {Database} database */
  constructor(database) {
    this._database = database;
  }

  /** @throws {Error} this browser has no storage, or refuses it */
  async open() {
    await this._database.open();
  }

  /** Store a row with the results that changed it. @param {RecordingRow} row @param {object[]} [events] */
  async putRecording(row, events = []) {
    await this._database.write(["recordings", "results"], (recordings, results) => {
      recordings.put(row);
      for (const event of events) results.put({ ...event, recording: row.id });
    });
  }

  /** @param {string} recording @param {Chunk[]} chunks */
  async putChunks(recording, chunks) {
    await this._database.write(["chunks"], (store) => {
      for (const { offset, data } of chunks) store.put({ recording, offset, data });
    });
  }

  /** @param {string} id @returns {Promise<RecordingRow | undefined>} */
  async recording(id) {
    return this._database.read(["recordings"], (recordings) => recordings.get(id));
  }

  /** @returns {Promise<RecordingRow[]>} oldest first */
  async recordings() {
    const rows = await this._database.read(["recordings"], (recordings) => recordings.getAll());
    return rows.sort((one, other) => one.startedAt - other.startedAt);
  }

  /** @param {string} recording @returns {Promise<object[]>} finals and suppressions, in order */
  async results(recording) {
    return this._database.read(["results"], (results) => results.getAll(within(recording)));
  }

  /**
   * Return the chunks that overlap [from, to), in order.
   * @param {string} recording @param {number} from @param {number} to
   * @returns {Promise<Chunk[]>}
   */
  async chunks(recording, from, to) {
    const range = IDBKeyRange.bound([recording, from - MAX_CHUNK_BYTES], [recording, to], false, true);
    const chunks = await this._database.read(["chunks"], (store) => store.getAll(range));
    return chunks.filter(({ offset, data }) => offset + data.length > from);
  }

  /** @param {string} recording @returns {Promise<{start: number, end: number}>} bytes that are stored */
  async extent(recording) {
    const [first, last] = await this._database.read(["chunks"], (chunks) => [
      chunks.openCursor(within(recording)),
      chunks.openCursor(within(recording), "prev"),
    ]);
    if (!first) return { start: 0, end: 0 };
    return { start: first.value.offset, end: last.value.offset + last.value.data.length };
  }

  /** Delete the chunks that end before the position. @param {string} recording @param {number} before */
  async deleteChunks(recording, before) {
    const range = IDBKeyRange.bound([recording, 0], [recording, before - MAX_CHUNK_BYTES], false, true);
    if (before > MAX_CHUNK_BYTES) await this._database.write(["chunks"], (chunks) => chunks.delete(range));
  }

  /** @param {string} recording */
  async deleteRecording(recording) {
    await this._database.write(["recordings", "chunks", "results"], (recordings, chunks, results) => {
      recordings.delete(recording);
      chunks.delete(within(recording));
      results.delete(within(recording));
    });
  }
}

function within(recording) {
  return IDBKeyRange.bound([recording, 0], [recording, Infinity]);
}

/** All recordings of this page use one connection. */
export const journalOfPage = new Journal(DATABASE);

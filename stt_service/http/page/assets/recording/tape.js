/**
 * The audio of one recording, addressed by byte: written to the journal, the last minute also in memory.
 *
 * A chunk stays in memory until the journal has it. Memory has one limit for all recordings of the page. Above it, what
 * the journal has and committed audio are dropped, those of recordings that have ended first; if that is not sufficient,
 * the memory is full and the recording has to stop. A tape itself never drops uncommitted audio.
 */

import { MAX_CHUNK_BYTES } from "./journal.js";

const MEMORY_S = 60; // of audio, also in the journal; enough for a reconnection
export const MAX_MEMORY_BYTES = 128 * 2 ** 20; // of all recordings: 22 minutes at 48 kHz without storage
const RETRY_AFTER_S = 5; // of audio, after the storage refused a chunk
const MAX_BATCH_CHUNKS = 64; // per transaction

/** A recording, or its audio, cannot be used; `kind` is why. */
export class RecordingError extends Error {
  /**
   * @param {"none" | "deleted" | "audio-deleted" | "open-elsewhere"} kind
   * @param {string} message
   */
  constructor(kind, message) {
    super(message);
    this.name = "RecordingError";
    this.kind = kind;
  }
}

/** The audio in memory of all tapes of the page. */
class AudioMemory {
  /** @type {Set<Tape>} with audio in memory, the oldest first */
  _tapes = new Set();

  get isFull() {
    return this._excessBytes > 0;
  }

  get _excessBytes() {
    let bytes = -MAX_MEMORY_BYTES;
    for (const tape of this._tapes) bytes += tape.memoryBytes;
    return bytes;
  }

  /** Take the changed size of a tape. @param {Tape} tape */
  update(tape) {
    if (tape.memoryBytes) this._tapes.add(tape);
    else this._tapes.delete(tape);
    if (this.isFull) this._trim();
  }

  _trim() {
    const tapes = [...this._tapes];
    for (const tape of [...tapes.filter(({ hasEnded }) => hasEnded), ...tapes]) {
      if (!this.isFull) return;
      tape.drop(this._excessBytes);
      if (!tape.memoryBytes) this._tapes.delete(tape);
    }
  }
}

const MEMORY = new AudioMemory();

export class Tape {
  /**
   * @param {import("./audio-format.js").AudioFormat} format
   * @param {string} recording
   * @param {import("./journal.js").Journal | null} journal null: there is no storage, all audio is in memory
   * @param {(error: DOMException | null) => void} onStorage is called with the error of each write; null: it succeeded
   * @param {{start: number, end: number}} [stored] audio of an earlier page in the journal
   */
  constructor(format, recording, journal, onStorage, stored = { start: 0, end: 0 }) {
    this._recording = recording;
    this._journal = journal;
    this._onStorage = onStorage;
    this._memoryBytes = format.bytesOf(MEMORY_S * 1000);
    this._retryBytes = format.bytesOf(RETRY_AFTER_S * 1000);
    /** @type {import("./journal.js").Chunk[]} */
    this._chunks = [];
    this._releasedEnd = stored.start; // audio before it need not be kept
    this._writtenEnd = stored.end;
    this._retryAt = 0; // position from which the storage is tried again
    this._writing = null;
    this.hasFailed = false; // to write to the journal
    this.hasEnded = false; // the recording is complete
    this.end = stored.end;
  }

  /** @returns {number} position of the first byte in memory */
  get _memoryStart() {
    return this._chunks.length ? this._chunks[0].offset : this.end;
  }

  /** Position up to which the journal has the audio. */
  get storedEnd() {
    return this._writtenEnd;
  }

  get memoryBytes() {
    return this.end - this._memoryStart;
  }

  /** Whether memory has no room, and the recording must stop. */
  get isFull() {
    return MEMORY.isFull;
  }

  /** @param {Uint8Array} audio is kept, and must not change */
  append(audio) {
    for (let start = 0; start < audio.length; start += MAX_CHUNK_BYTES) {
      const data = audio.subarray(start, start + MAX_CHUNK_BYTES);
      this._chunks.push({ offset: this.end, data });
      this.end += data.length;
    }
    this._trim();
    this._startWriting();
  }

  /** Permit to drop the audio before the position. @param {number} position */
  release(position) {
    this._releasedEnd = Math.max(this._releasedEnd, Math.min(position, this.end));
  }

  /**
   * Return up to `size` bytes from the position on; none at the end.
   * @param {number} position @param {number} size
   * @returns {Promise<Uint8Array>}
   * @throws {RecordingError} it is not stored any more
   */
  async read(position, size) {
    const to = Math.min(position + size, this.end);
    if (to <= position) return new Uint8Array();
    if (position >= this._memoryStart) return joined(this._inMemory(position, to), position, to);
    const chunks = this._journal ? await this._journal.chunks(this._recording, position, to) : [];
    if (!chunks.length || chunks[0].offset > position) {
      const message = `No audio is stored at byte ${position} of recording ${this._recording}.`;
      throw new RecordingError("audio-deleted", message);
    }
    return joined(chunks, position, Math.min(to, endOf(chunks)));
  }

  /** The recording is complete: keep in memory only what the journal does not have. */
  complete() {
    this.hasEnded = true;
    this._memoryBytes = 0;
    this.release(this.end);
    this._trim();
  }

  /** Drop up to `bytes`, rounded up to chunks, that are stored or released from memory. @param {number} bytes */
  drop(bytes) {
    const droppableEnd = Math.max(this._writtenEnd, this._releasedEnd);
    const keptBytes = this.memoryBytes - bytes;
    while (this.memoryBytes > keptBytes && this._chunks.length && endOf(this._chunks.slice(0, 1)) <= droppableEnd) {
      this._chunks.shift();
    }
  }

  /** @returns {Promise<number>} position of the first byte that is still stored */
  async start() {
    if (!this._writtenEnd) return this._memoryStart;
    const { start } = await this._journal.extent(this._recording);
    return Math.min(start, this._memoryStart);
  }

  /** Resolve once the journal has everything, or has refused it. */
  async flush() {
    this._retryAt = 0;
    this._startWriting();
    await this._writing;
  }

  _inMemory(from, to) {
    let low = 0;
    let high = this._chunks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const { offset, data } = this._chunks[middle];
      if (offset + data.length <= from) low = middle + 1;
      else high = middle;
    }
    const chunks = [];
    for (let index = low; index < this._chunks.length && this._chunks[index].offset < to; index += 1) {
      chunks.push(this._chunks[index]);
    }
    return chunks;
  }

  _trim() {
    while (this._chunks.length && this.memoryBytes > this._memoryBytes) {
      const { offset, data } = this._chunks[0];
      if (offset + data.length > this._writtenEnd) break;
      this._chunks.shift();
    }
    MEMORY.update(this);
  }

  _startWriting() {
    if (!this._journal || this._writing || this.end < this._retryAt) return;
    this._writing = this._write().finally(() => {
      this._writing = null;
    });
  }

  async _write() {
    for (let chunks = this._unwritten; chunks.length; chunks = this._unwritten) {
      try {
        await this._journal.putChunks(this._recording, chunks);
      } catch (error) {
        this._retryAt = this.end + this._retryBytes;
        this._report(error);
        return;
      }
      this._writtenEnd = endOf(chunks);
      this._report(null);
    }
  }

  get _unwritten() {
    return this._inMemory(this._writtenEnd, this.end).slice(0, MAX_BATCH_CHUNKS);
  }

  _report(error) {
    this.hasFailed = error !== null;
    this._onStorage(error);
  }
}

function endOf(chunks) {
  const last = chunks.at(-1);
  return last && last.offset + last.data.length;
}

/** Return the bytes of [from, to) from chunks that contain them. */
function joined(chunks, from, to) {
  const bytes = new Uint8Array(to - from);
  for (const { offset, data } of chunks) {
    const part = data.subarray(Math.max(0, from - offset), Math.max(0, to - offset));
    bytes.set(part, Math.max(0, offset - from));
  }
  return bytes;
}

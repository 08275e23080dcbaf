/**
 * The audio of one recording, addressed by byte: written to the journal, the last minute also in memory.
 *
 * A chunk stays in memory until the journal has it. While the journal fails, memory keeps what is not committed, up to
 * MAX_MEMORY_BYTES; then the tape is full and the recording has to stop. The tape itself never drops uncommitted audio.
 */

import { MAX_CHUNK_BYTES } from "./journal.js";

const MEMORY_S = 60; // of audio, also in the journal; enough for a reconnection
export const MAX_MEMORY_BYTES = 128 * 2 ** 20; // 22 minutes at 48 kHz without storage
const RETRY_AFTER_S = 5; // of audio, after the storage refused a chunk
const MAX_BATCH_CHUNKS = 64; // per transaction

export class Tape {
  /**
   * @param {import("./audio-format.js").AudioFormat} format
   * @param {string} recording
   * @param {import("./journal.js").Journal | null} journal null: there is no storage, all audio is in memory
   * @param {(error: DOMException | null) => void} onStorage is called with each new failure; null: storage works again
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
    this._hasFailed = false;
    this._writing = null;
    this.end = stored.end;
  }

  /** @returns {number} position of the first byte in memory */
  get _memoryStart() {
    return this._chunks.length ? this._chunks[0].offset : this.end;
  }

  get isFull() {
    return this.end - Math.max(this._memoryStart, this._writtenEnd, this._releasedEnd) > MAX_MEMORY_BYTES;
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
   */
  async read(position, size) {
    const to = Math.min(position + size, this.end);
    if (to <= position) return new Uint8Array();
    if (position >= this._memoryStart) return joined(this._inMemory(position, to), position, to);
    const chunks = this._journal ? await this._journal.chunks(this._recording, position, to) : [];
    if (!chunks.length || chunks[0].offset > position) {
      throw new Error(`No audio is stored at byte ${position} of recording ${this._recording}.`);
    }
    return joined(chunks, position, Math.min(to, endOf(chunks)));
  }

  /** Drop what the journal has from memory: the recording is complete. */
  shrink() {
    this._memoryBytes = 0;
    this._trim();
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
    while (this._chunks.length > 1) {
      const { offset, data } = this._chunks[0];
      const isStored = offset + data.length <= this._writtenEnd;
      const isReleased = offset + data.length <= this._releasedEnd;
      const bytes = this.end - offset;
      if (!(isStored && bytes > this._memoryBytes) && !(isReleased && bytes > MAX_MEMORY_BYTES)) return;
      this._chunks.shift();
    }
  }

  _startWriting() {
    if (!this._journal || this._writing || this.end < this._retryAt) return;
    this._writing = this._write().finally(() => {
      this._writing = null;
    });
  }

  async _write() {
    while (this._writtenEnd < this.end) {
      const chunks = this._inMemory(this._writtenEnd, this.end).slice(0, MAX_BATCH_CHUNKS);
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

  _report(error) {
    if (this._hasFailed === (error !== null)) return;
    this._hasFailed = error !== null;
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

/** Recordings in storage that an earlier page left: those without all their text, and their audio. */

import { AudioFormat } from "./audio-format.js";
import { ownerOf } from "./delivery.js";
import { openJournal } from "./journal.js";
import { isRecordingOpen } from "./recording-lock.js";
import { Recording } from "./recording.js";
import { RecordingError } from "./tape.js";

/**
 * @typedef {{id: string, startedAt: number, unrecognizedMs: number, sheet: string | null}} Unrecognized `startedAt`: as of
 *   Date.now(). `sheet`: that its results belonged to so far
 * @typedef {Unrecognized & {resume(changes?: object): Promise<object>, discard(): Promise<void>}} Recoverable
 */

/**
 * Settle the recordings whose page is gone: delete those without any audio, and complete those without uncommitted audio.
 * Return the others, the oldest first. One that cannot be read is returned, as its audio may be readable later.
 * @param {import("./journal.js").Journal} journal
 * @returns {Promise<Unrecognized[]>}
 */
export async function settleRecordings(journal) {
  const rows = (await journal.recordings()).filter(({ isComplete }) => !isComplete);
  const unrecognized = await Promise.all(rows.map((row) => settle(journal, row)));
  return unrecognized.filter((each) => each !== null);
}

async function settle(journal, { id, ...found }) {
  if (await isRecordingOpen(id)) return null;
  try {
    const row = await journal.recording(id); // as its tab left it
    const { end } = await journal.extent(id);
    if (!row || !end) return await journal.deleteRecording(id).then(() => null);
    const unrecognizedMs = Math.round(new AudioFormat(row.rateHz).msOf(end) - row.resume.committedMs);
    if (unrecognizedMs > 0) return entryOf(row, unrecognizedMs);
    return await journal.putRecording({ ...row, isComplete: true }).then(() => null);
  } catch {
    return entryOf({ id, ...found }, 0);
  }
}

function entryOf({ id, startedAt, sheets = [], resume }, unrecognizedMs) {
  return { id, startedAt, unrecognizedMs, sheet: ownerOf(sheets, resume.nextResult) };
}

/** Return a recording in storage, for its audio. @param {string} id @throws {RecordingError} it was deleted */
export async function storedRecording(id) {
  return reopenRecording(await openJournal(), id, () => {});
}

/**
 * Return a recording in storage.
 * @param {import("./journal.js").Journal} journal
 * @param {string} id
 * @param {(error: DOMException | null) => void} onStorage is called with the result of each write
 * @throws {RecordingError} it was deleted
 */
export async function reopenRecording(journal, id, onStorage) {
  const row = await journal.recording(id);
  if (!row) throw new RecordingError("deleted", "The recording was deleted.");
  return Recording.reopen(journal, row, onStorage);
}

/** Recordings in storage that an earlier page left: those without all their text, and their audio. */

import { AudioFormat } from "./audio-format.js";
import { openJournal } from "./journal.js";
import { isRecordingOpen } from "./recording-lock.js";
import { Recording, RecordingError } from "./recording.js";

/**
 * @typedef {{id: string, startedAt: number, unrecognizedMs: number, results: object[], resume(): Promise<object>,
 *   discard(): Promise<void>}} Recoverable `startedAt`: as of Date.now(). `results`: the finals and suppressions so far
 */

/**
 * Return the recordings with audio that is not committed, the oldest first; delete those without any audio.
 * @param {import("./journal.js").Journal} journal
 */
export async function recoverable(journal) {
  const rows = (await journal.recordings()).filter(({ isComplete }) => !isComplete);
  const entries = await Promise.all(rows.map((row) => entryOf(journal, row)));
  return entries.filter((entry) => entry !== null);
}

/** Return the entry of a recording; null if it is open, has no audio, or all of its audio is committed. */
async function entryOf(journal, { id, startedAt }) {
  if (await isRecordingOpen(id)) return null;
  const row = await journal.recording(id); // as its tab left it
  const { end } = await journal.extent(id);
  if (!row || !end) return journal.deleteRecording(id).then(() => null);
  const unrecognizedMs = Math.round(new AudioFormat(row.rateHz).msOf(end) - row.resume.committedMs);
  if (unrecognizedMs > 0) return { id, startedAt, unrecognizedMs, results: await journal.results(id) };
  return journal.putRecording({ ...row, isComplete: true }).then(() => null);
}

/** Return a recording in storage, for its audio. @param {string} id @throws {Error} it was deleted */
export async function storedRecording(id) {
  const journal = await openJournal();
  const row = await journal.recording(id);
  if (!row) throw new RecordingError("deleted", "The recording was deleted.");
  return Recording.reopen(journal, row, () => {});
}

/** Recordings in storage that an earlier page left: those without all their text, and their audio. */

import { AudioFormat } from "./audio-format.js";
import { openJournal } from "./journal.js";
import { openRecordings } from "./recording-lock.js";
import { Recording } from "./recording.js";

/**
 * @typedef {{id: string, startedAt: number, unrecognizedMs: number, results: object[], resume(): Promise<object>,
 *   discard(): Promise<void>}} Recoverable `startedAt`: as of Date.now(). `results`: the finals and suppressions so far
 */

/**
 * Return the recordings with audio that is not committed, the oldest first; delete those without any audio.
 * @param {import("./journal.js").Journal} journal
 */
export async function recoverable(journal) {
  const open = await openRecordings();
  const found = [];
  for (const row of await journal.recordings()) {
    if (row.isComplete || open.has(row.id)) continue;
    const { end } = await journal.extent(row.id);
    const unrecognizedMs = Math.round(new AudioFormat(row.rateHz).msOf(end) - row.resume.committedMs);
    if (!end) await journal.deleteRecording(row.id);
    else if (unrecognizedMs <= 0) await journal.putRecording({ ...row, isComplete: true });
    else found.push(await entryOf(journal, row, unrecognizedMs));
  }
  return found;
}

async function entryOf(journal, { id, startedAt }, unrecognizedMs) {
  return { id, startedAt, unrecognizedMs, results: await journal.results(id) };
}

/** Return a recording in storage, for its audio. @param {string} id @throws {Error} it was deleted */
export async function storedRecording(id) {
  const journal = await openJournal();
  const row = await journal.recording(id);
  if (!row) throw new Error("The recording was deleted.");
  return Recording.reopen(journal, row, () => {});
}

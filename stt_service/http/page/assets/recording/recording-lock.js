/** Which recordings are open in a live tab: each holds a lock. */

import { heldLocks, holdLock, RELEASE_MS } from "../locks.js";

const PREFIX = "stt-recording:";

/**
 * Hold the lock of a recording.
 * @param {string} recording
 * @returns {Promise<(() => void) | null>} releases the lock; null: another tab has the recording
 */
export async function lockRecording(recording) {
  return holdLock(PREFIX + recording, RELEASE_MS);
}

/**
 * Return whether this or another tab has the recording; a free lock is not taken, so that no other tab sees it as open.
 * @param {string} recording
 */
export async function isRecordingOpen(recording) {
  if (!(await heldLocks()).has(PREFIX + recording)) return false;
  const release = await lockRecording(recording);
  release?.();
  return release === null;
}

/**
 * Delete a recording from storage, unless a tab has it open; return whether it is deleted.
 * @param {import("./journal.js").Journal} journal
 * @param {string} recording
 */
export async function deleteUnlessOpen(journal, recording) {
  const release = await lockRecording(recording);
  if (!release) return false;
  try {
    await journal.deleteRecording(recording);
  } finally {
    release();
  }
  return true;
}

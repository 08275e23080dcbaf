/**
 * Which audio is deleted when the journal exceeds its budget: the oldest committed audio first. Audio that no server has
 * recognized is never deleted.
 */

import { AudioFormat, leftContextStartMs } from "./audio-format.js";

export const DEFAULT_BUDGET_BYTES = 512 * 2 ** 20; // 90 minutes at 48 kHz
export const ROOM_BYTES = 32 * 2 ** 20; // freed when the storage is full

/**
 * Return what to delete. Pure.
 * @param {{id: string, start: number, end: number, deletableEnd: number}[]} extents in bytes, the oldest first
 * @param {number} excessBytes
 * @returns {{id: string, before: number}[]}
 */
export function planDeletions(extents, excessBytes) {
  const deletions = [];
  let excess = excessBytes;
  for (const { id, start, deletableEnd } of extents) {
    const bytes = Math.min(excess, deletableEnd - start);
    if (bytes <= 0) continue;
    deletions.push({ id, before: start + bytes });
    excess -= bytes;
  }
  return deletions;
}

/** Delete audio above the budget. @param {import("./journal.js").Journal} journal @param {number} budgetBytes */
export async function enforceBudget(journal, budgetBytes) {
  const extents = await extentsOf(journal);
  const total = extents.reduce((sum, { start, end }) => sum + end - start, 0);
  await remove(journal, extents, planDeletions(extents, total - budgetBytes));
}

/** Delete the oldest committed audio because the storage is full. @param {import("./journal.js").Journal} journal */
export async function makeRoom(journal) {
  const extents = await extentsOf(journal);
  await remove(journal, extents, planDeletions(extents, ROOM_BYTES));
}

async function extentsOf(journal) {
  const extents = [];
  for (const row of await journal.recordings()) {
    const { start, end } = await journal.extent(row.id);
    const format = new AudioFormat(row.rateHz);
    const released = format.bytesOf(leftContextStartMs(row.resume.committedMs));
    const deletableEnd = row.isComplete ? end : Math.min(end, released);
    extents.push({ id: row.id, start, end, deletableEnd, isComplete: row.isComplete });
  }
  return extents;
}

/** Delete the audio, and recordings that lose all of it. */
async function remove(journal, extents, deletions) {
  for (const { id, before } of deletions) {
    const { end, isComplete } = extents.find((extent) => extent.id === id);
    if (isComplete && before >= end) await journal.deleteRecording(id);
    else await journal.deleteChunks(id, before);
  }
}

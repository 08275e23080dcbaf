// @ts-check
/** The audio of a sheet in storage: recordings that have text in it. */
import { openJournal } from "./journal.js";
import { deleteUnlessOpen } from "./recording-lock.js";

/**
 * @typedef {{id: string, marks: import("../sheet/marks.js").Stored}} SheetRow
 */

/**
 * Delete the recordings of a sheet, except those of other sheets and those that a tab has open.
 * @param {SheetRow} sheet
 * @param {readonly SheetRow[]} others
 */
export async function deleteAudioOf(sheet, others) {
  const journal = await openJournal();
  for (const recording of await journal.recordings()) {
    const belongsTo = (/** @type {SheetRow} */ each) => hasTextOf(each, recording);
    if (belongsTo(sheet) && !others.some(belongsTo)) await deleteUnlessOpen(journal, recording.id);
  }
}

/**
 * @param {SheetRow} sheet
 * @param {{id: string, sheets?: readonly {sheet: string}[]}} recording `sheets`: those that its results belong to
 */
function hasTextOf(sheet, { id, sheets = [] }) {
  return (
    sheets.some((owner) => owner.sheet === sheet.id) || sheet.marks.marks.some(({ spoken }) => spoken.recording === id)
  );
}

/**
 * Which finals a sheet does not have yet, so that each final is inserted into one sheet, once. A sheet is any text that
 * an id names; this module stores none.
 *
 * A final is an event while its recording is open, and in the journal from then on. A crash, a reload or an input method
 * can keep it from the sheet, and the user can open another sheet meanwhile. The rule has three parts:
 *
 * - **Owner.** `sheets` in a recording's row: results from number `first` on belong to that sheet, until the next entry.
 *   An entry is added when a recording starts, when its tab begins another sheet, and when it is resumed with another
 *   one. It is stored at the latest with the first result that it owns, in the same transaction.
 * - **Inserted.** A sheet stores with its text, in the same transaction, the number of the last final of each recording
 *   that was inserted. It has this one and all before it, also those that the user has deleted since.
 * - **Missing.** Finals in the journal that the sheet owns and does not have. They are inserted when the sheet is opened,
 *   before a recording continues in it: the finals of a recording reach a sheet in the order of their numbers.
 *
 * | path of a final | result |
 * |---|---|
 * | event | inserted; the tab's sheet is its owner |
 * | event again, as the crash was before its entry in the journal | the sheet has it |
 * | reload or crash before the sheet was stored, complete recording or not | missing, inserted |
 * | recording resumed with another sheet | new results go there; the owner gets its own when it is opened |
 * | sheet opened in another tab, or as an earlier one | missing ones are inserted |
 * | text deleted, undone or cleared by the user | the sheet has it |
 * | sheet deleted | no owner is opened any more: not inserted |
 */

/**
 * @typedef {{sheet: string, first: number}} Ownership
 * @typedef {{recording: string, startedAt: number, final: any}} Missing `startedAt`: of the recording, as of Date.now()
 */

/**
 * Return the entries once results from number `first` on belong to the sheet. Pure.
 * @param {readonly Ownership[]} sheets
 * @param {Ownership} next
 */
export function withOwner(sheets, { sheet, first }) {
  const before = sheets.filter((each) => each.first < first);
  return before.at(-1)?.sheet === sheet ? before : [...before, { sheet, first }];
}

/**
 * Return the sheet that a result belongs to; null if it belongs to none. Pure.
 * @param {readonly Ownership[]} sheets
 * @param {number} utterance
 */
export function ownerOf(sheets, utterance) {
  return sheets.findLast(({ first }) => first <= utterance)?.sheet ?? null;
}

/**
 * Return the finals that a sheet is missing, the oldest recording first, and the ids of all recordings.
 * @param {import("./journal.js").Journal} journal
 * @param {string} sheet
 * @param {(recording: string, utterance: number) => boolean} wasInserted whether the sheet has a final
 * @returns {Promise<{missing: Missing[], recordings: Set<string>}>}
 */
export async function missingFinals(journal, sheet, wasInserted) {
  const rows = await journal.recordings();
  const missing = [];
  for (const row of rows.filter((row) => mayBeMissing(row, sheet, wasInserted))) {
    for (const final of await journal.results(row.id)) {
      const isMissing = final.type === "final" && ownerOf(row.sheets, final.utterance) === sheet;
      if (isMissing && !wasInserted(row.id, final.utterance))
        missing.push({ recording: row.id, startedAt: row.startedAt, final });
    }
  }
  return { missing, recordings: new Set(rows.map(({ id }) => id)) };
}

/** Whether the sheet may be without the last result of an entry; it need not have one that was suppressed. */
function mayBeMissing({ id, sheets = [], resume }, sheet, wasInserted) {
  return sheets.some((entry, index) => {
    const end = sheets[index + 1]?.first ?? resume.nextResult;
    return entry.sheet === sheet && end > entry.first && !wasInserted(id, end - 1);
  });
}

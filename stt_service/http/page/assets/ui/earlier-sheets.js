// @ts-check
/** The dialog with the sheets that were used before and that no tab has open: to open and to delete them. */
import { element } from "../element.js";
import { t } from "../strings.js";
import { button, dateInWords, failureLine } from "./dialog-entry.js";

const TITLE_CHARACTERS = 80;

const dialog = () => /** @type {HTMLDialogElement} */ (element("sheets-dialog"));

/**
 * @param {import("../sheet/store.js").Store} store
 * @param {import("./recorder.js").Recorder} recorder
 * @param {(message: string) => void} notify
 */
export function connectEarlierSheets(store, recorder, notify) {
  const onEmpty = () => {
    dialog().close();
    notify(t("noEarlier"));
  };
  element("earlier").addEventListener("click", async () => {
    if (recorder.isRecording) return notify(t("stopFirst"));
    const { rows, isComplete } = await store.earlier();
    if (!rows.length) return notify(t(isComplete ? "noEarlier" : "error.unread"));
    element("sheets").replaceChildren(...rows.map((row) => entry(row, { store, recorder, onEmpty })));
    dialog().showModal();
  });
}

/**
 * @param {import("../sheet/store.js").Row} row
 * @param {{store: import("../sheet/store.js").Store, recorder: import("./recorder.js").Recorder, onEmpty: () => void}} page
 *   `onEmpty`: the last entry was removed
 */
function entry(row, { store, recorder, onEmpty }) {
  const item = document.createElement("li");
  const { failure, onFailed } = failureLine();
  const title = row.text.trim().slice(0, TITLE_CHARACTERS);
  const open = button("", "button sheet-title", onFailed, async () => {
    if ((await store.save()) && !(await recorder.abandon())) return;
    if (await store.open(row.id)) location.reload();
    else failure.textContent = t("notSaved");
  });
  open.append(...labels(title, row.savedAt));
  const remove = button(t("discard"), "button", onFailed, async () => {
    if (!confirm(t("deleteSheetQuestion"))) return;
    if (await store.delete(row.id, deleteAudio)) {
      removeEntry(item, onEmpty);
      await recorder.store(); // there may be room now
    } else failure.textContent = t("sheetOpen");
  });
  remove.setAttribute("aria-label", `${t("discard")}: ${title}`);
  item.append(open, remove, failure);
  return item;
}

/**
 * @param {string} text
 * @param {number} savedAt
 */
function labels(text, savedAt) {
  const title = document.createElement("span");
  const date = document.createElement("small");
  title.textContent = text;
  date.textContent = dateInWords(savedAt);
  return [title, date];
}

/**
 * @param {import("../sheet/store.js").Row} sheet
 * @param {import("../sheet/store.js").Row[]} others
 */
async function deleteAudio(sheet, others) {
  const { deleteAudioOf } = await import("../recording/sheet-audio.js"); // only when needed: the page appears sooner
  await deleteAudioOf(sheet, others);
}

/**
 * Remove an entry; the focus goes to the button that deletes its neighbor.
 * @param {HTMLElement} item
 * @param {() => void} onEmpty
 */
function removeEntry(item, onEmpty) {
  const neighbor = item.nextElementSibling ?? item.previousElementSibling;
  item.remove();
  if (neighbor) /** @type {HTMLElement} */ (neighbor.querySelector("button:not(.sheet-title)")).focus();
  else onEmpty();
}

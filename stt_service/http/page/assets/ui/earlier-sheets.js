// @ts-check
/** The dialog with the sheets that were used before and that no tab has open. */
import { t } from "../strings.js";
import { element } from "./controls.js";

const TITLE_CHARACTERS = 80;

/**
 * @param {import("../sheet/store.js").Store} store
 * @param {import("./recorder.js").Recorder} recorder
 * @param {(message: string) => void} notify
 */
export function connectEarlierSheets(store, recorder, notify) {
  const dialog = /** @type {HTMLDialogElement} */ (element("sheets-dialog"));
  element("earlier").addEventListener("click", async () => {
    if (recorder.isRecording) return notify(t("stopFirst"));
    const rows = await store.earlier();
    if (!rows.length) return notify(t("noEarlier"));
    element("sheets").replaceChildren(...rows.map((row) => entry(row, () => store.open(row.id))));
    dialog.showModal();
  });
}

/**
 * @param {import("../sheet/store.js").Row} row
 * @param {() => Promise<void>} open
 */
function entry({ text, savedAt }, open) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  const title = document.createElement("span");
  const date = document.createElement("small");
  const format = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  title.textContent = text.trim().slice(0, TITLE_CHARACTERS);
  date.textContent = format.format(savedAt);
  button.type = "button";
  button.className = "button sheet-title";
  button.append(title, date);
  button.addEventListener("click", async () => {
    await open();
    location.reload();
  });
  item.append(button);
  return item;
}

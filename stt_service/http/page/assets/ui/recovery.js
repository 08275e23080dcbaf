// @ts-check
/**
 * The dialog that offers recordings of earlier pages which are not recognized completely. It opens while the user may be
 * typing, so the focus is on "Later". While the page records by itself, and later, the menu has it.
 */
import { element } from "../element.js";
import { t } from "../strings.js";
import { button, dateInWords, failureLine } from "./dialog-entry.js";

const dialog = () => /** @type {HTMLDialogElement} */ (element("recover-dialog"));

/**
 * Offer the recordings, if there are any.
 * @param {import("./recorder.js").Recorder} recorder
 * @param {(message: string) => void} notify
 */
export function offerRecovery(recorder, notify) {
  const recordings = recorder.recoverable();
  if (!recordings.length) return;
  element("recordings").replaceChildren(...recordings.map(entry));
  element("recover").hidden = false;
  element("recover").addEventListener("click", show);
  if (recorder.isRecording) notify(t("recoverLater"));
  else show();
}

/** Open the dialog, after another one that is open. */
function show() {
  const other = document.querySelector("dialog[open]");
  if (other) other.addEventListener("close", show, { once: true });
  else dialog().showModal();
}

/** @param {{startedAt: number, unrecognizedMs: number, resume(): Promise<void>, discard(): Promise<void>}} recording */
function entry({ startedAt, unrecognizedMs, resume, discard }) {
  const item = document.createElement("li");
  const label = document.createElement("span");
  label.textContent = t("recoverItem", { date: dateInWords(startedAt), seconds: Math.round(unrecognizedMs / 1000) });
  const { failure, onFailed } = failureLine();
  const remove = () => {
    item.remove();
    if (element("recordings").childElementCount) return;
    element("recover").hidden = true;
    dialog().close();
  };
  item.append(
    label,
    button(t("recover"), "button primary", onFailed, async () => {
      await resume();
      remove();
    }),
    button(t("discard"), "button", onFailed, async () => {
      if (!confirm(t("discardQuestion"))) return;
      await discard();
      remove();
    }),
    failure,
  );
  return item;
}

// @ts-check
/**
 * The dialog that offers recordings of earlier pages which are not recognized completely. It opens while the user may be
 * typing, so the focus is on "Later". The menu has it, too, and only the menu while the page records by itself.
 */
import { element } from "../element.js";
import { t } from "../strings.js";
import { button, dateInWords, failureLine } from "./dialog-entry.js";
import { errorInWords } from "./messages.js";

const dialog = () => /** @type {HTMLDialogElement} */ (element("recover-dialog"));

/**
 * Offer the recordings, if there are any.
 * @param {import("./recorder.js").Recorder} recorder
 * @param {(message: string) => void} notify
 */
export async function offerRecovery(recorder, notify) {
  const item = element("recover");
  const fill = async () => {
    const recordings = await recorder.recoverable();
    element("recordings").replaceChildren(...recordings.map(entry));
    item.hidden = !recordings.length;
    return recordings.length > 0;
  };
  const choose = async () => {
    const isAny = await fill(); // another tab may have recognized some
    if (isAny) show();
    else notify(t("noRecordings"));
  };
  const onFailed = (/** @type {unknown} */ error) => notify(errorInWords(error));
  item.addEventListener("click", () => choose().catch(onFailed));
  const isAny = await fill().catch(onFailed);
  if (!isAny) return;
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

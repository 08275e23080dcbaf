// @ts-check
/** The dictation page: the sheet, its storage, the recorder and the controls, put together. */
import { element } from "./element.js";
import { hasCommandKey, shortcutKey } from "./keys.js";
import { holdLock, RELEASE_MS } from "./locks.js";
import { Sheet } from "./sheet/sheet.js";
import { Store } from "./sheet/store.js";
import { Highlights } from "./sheet/words.js";
import { t, translatePage } from "./strings.js";
import { announce } from "./ui/announcer.js";
import { Access } from "./ui/access.js";
import { Controls } from "./ui/controls.js";
import { connectEarlierSheets } from "./ui/earlier-sheets.js";
import { Files } from "./ui/files.js";
import { Notice } from "./ui/notice.js";
import { Preferences } from "./ui/preferences.js";
import { Recorder } from "./ui/recorder.js";
import { offerRecovery } from "./ui/recovery.js";
import { ServerFacts } from "./ui/server-facts.js";
import { SettingsPanel } from "./ui/settings-panel.js";
import { WordPopover } from "./ui/word-popover.js";

const MICROPHONE_LOCK = "stt-microphone"; // of the tab that records
const USES = ["keydown", "pointerdown", "beforeinput"]; // events by which the user does something
const LOSSES = { full: "storageFull", refused: "storage" }; // texts of warnings

const notice = new Notice();

/** @param {string} message */
const notify = (message) => notice.show(message);

/** @param {string} key of the text */
function warn(key) {
  const banner = element("banner");
  banner.hidden = false; // first: a text that is inserted into a hidden element may not be announced
  banner.dataset.t = key; // for another language
  banner.textContent = t(key);
}

/**
 * Warn while the text is lost when the page closes.
 * @param {import("./sheet/store.js").Outcome} outcome of saving it
 */
function showOutcome(outcome) {
  if (outcome !== "kept") warn(LOSSES[outcome]);
  else if (Object.values(LOSSES).includes(element("banner").dataset.t ?? "")) element("banner").hidden = true;
}

/**
 * Save the sheet a moment after each change.
 * @param {Store} store
 * @param {Sheet} sheet
 */
function keep(store, sheet) {
  store.follow(() => sheet.content());
  store.onOutcome = showOutcome;
  sheet.addEventListener("change", () => store.changed());
  sheet.addEventListener("move", () => store.changed());
}

/**
 * Whether the user does nothing until then: what follows would surprise a user who goes on with something else.
 * @param {Promise<void>} done
 */
async function isUndisturbed(done) {
  const watch = new AbortController();
  const isUsed = new Promise((resolve) => {
    for (const type of USES) addEventListener(type, () => resolve(true), { capture: true, signal: watch.signal });
  });
  const wasUsed = await Promise.race([done.then(() => false), isUsed]);
  watch.abort();
  return !wasUsed;
}

/**
 * @param {Sheet} sheet
 * @param {Store} store
 * @param {Recorder} recorder
 */
function connectEditButtons(sheet, store, recorder) {
  const undo = /** @type {HTMLButtonElement} */ (element("undo"));
  const redo = /** @type {HTMLButtonElement} */ (element("redo"));
  const removeUtterance = /** @type {HTMLButtonElement} */ (element("undo-utterance"));
  undo.addEventListener("click", () => sheet.edit((document) => document.undo()));
  redo.addEventListener("click", () => sheet.edit((document) => document.redo()));
  removeUtterance.addEventListener("click", () => sheet.removeLastUtterance());
  element("clear").addEventListener("click", async () => {
    if (recorder.isWaiting && !recorder.isRecording) {
      if (recorder.isAnswerExpected) notify(t("state.stopping"));
      if (!(await isUndisturbed(recorder.lastWords()))) return;
    }
    sheet.endComposition();
    if (!sheet.document.text()) return notify(t("isEmpty"));
    const isOffered = recorder.isWaiting && !recorder.isRecording; // the server has not answered
    if (isOffered && (await store.save()) && !(await recorder.abandon())) return;
    if (!(await store.startNew())) return notify(t("notSaved"));
    if (!isOffered) recorder.changeSheet(store.id);
    sheet.clear();
    if (isOffered) return location.reload();
    notify(t("cleared"));
  });
  sheet.addEventListener("leftOut", (event) => {
    const { detail } = /** @type {CustomEvent} */ (event);
    notify(t("leftOut", { count: detail.toLocaleString(document.documentElement.lang) }));
  });
  const show = () => {
    undo.disabled = !sheet.document.canUndo;
    redo.disabled = !sheet.document.canRedo;
    removeUtterance.disabled = !sheet.marks.last;
  };
  sheet.view.onRendered(show);
  show();
}

/**
 * @param {Sheet} sheet
 * @param {Files} files
 */
function connectKeys(sheet, files) {
  addEventListener("keydown", (event) => {
    if (!hasCommandKey(event) || event.altKey || event.isComposing) return;
    const actions = {
      s: () => files.download("txt"),
      "shift+s": () => files.copy(),
      "shift+backspace": () => sheet.removeLastUtterance(),
    };
    const name = `${event.shiftKey ? "shift+" : ""}${shortcutKey(event)}`;
    const action = actions[/** @type {keyof typeof actions} */ (name)];
    if (!action || document.querySelector("dialog[open]")) return; // it hides the sheet
    event.preventDefault();
    action();
  });
}

/** A click on a button leaves the focus in the sheet: keys go on being text, and Space does not press the button. */
function keepFocus() {
  for (const button of document.querySelectorAll("#record, #retry, .tools button")) {
    button.addEventListener("mousedown", (event) => event.preventDefault());
  }
}

function connectDialogs() {
  for (const button of document.querySelectorAll("[data-close]")) {
    button.addEventListener("click", () => button.closest("dialog")?.close());
  }
  const menu = element("menu");
  menu.addEventListener("click", (event) => event.target !== menu && menu.hidePopover());
}

/**
 * @param {Recorder} recorder
 * @param {{sheet: Sheet, files: Files, store: Store, access: Access, facts: ServerFacts, preferences: Preferences}} parts
 */
function connectRecorder(recorder, { sheet, files, store, access, facts, preferences }) {
  const detailOf = (/** @type {Event} */ event) => /** @type {CustomEvent} */ (event).detail;
  recorder.addEventListener("state", (event) => {
    if (detailOf(event).state !== "starting") return;
    notice.withdraw("aborted");
    sheet.view.revealCursor();
  });
  recorder.addEventListener("aborted", () => {
    preferences.set("recordsOnOpen", false);
    notice.keep("aborted");
  });
  recorder.addEventListener("storage", (event) => {
    for (const kind of ["full", "unavailable"]) {
      if (detailOf(event).includes(kind)) notice.keep(`message.${kind}`);
      else notice.withdraw(`message.${kind}`);
    }
  });
  recorder.addEventListener("notice", (event) => notify(detailOf(event)));
  recorder.addEventListener("unauthenticated", () => access.ask(Boolean(preferences.token)));
  recorder.addEventListener("final", (event) => {
    const { text } = detailOf(event);
    announce(text);
    store.save();
    if (preferences.get("autoCopy")) files.copySentence(text);
  });
  preferences.addEventListener("change", (event) => {
    recorder.apply(detailOf(event));
    if (detailOf(event) === "token") facts.refresh();
  });
}

/**
 * Show what the server says of itself.
 * @param {ServerFacts} facts
 * @param {Recorder} recorder
 * @param {SettingsPanel} panel
 */
function connectFacts(facts, recorder, panel) {
  facts.follow(recorder);
  facts.addEventListener("change", () => {
    const { info, isReachable } = facts;
    if (isReachable && info?.notReady && info.authorized) notice.keep("notReady");
    else notice.withdraw("notReady");
    if (info && isReachable) panel.showServer(info);
  });
}

/** Hold the lock while this tab records; of several tabs that record, the first one has it. */
function lockMicrophone(/** @type {Recorder} */ recorder) {
  let isLocked = false; // or waits for the other tabs
  let release = () => {};
  recorder.addEventListener("state", () => {
    if (recorder.isRecording === isLocked) return;
    isLocked = !isLocked;
    if (!isLocked) return release();
    const ended = new Promise((resolve) => (release = () => resolve(null)));
    navigator.locks?.request(MICROPHONE_LOCK, () => ended).catch(() => {}); // refused, as all storage
  });
}

/**
 * Start recording if no other tab records, and the microphone is still allowed.
 * @param {Recorder} recorder
 * @param {() => boolean} isUsed whether the user has started a recording meanwhile
 */
async function recordOnOpen(recorder, isUsed) {
  const permission = await navigator.permissions?.query({ name: /** @type {any} */ ("microphone") }).catch(() => null);
  if (permission?.state !== "granted") return;
  const release = await holdLock(MICROPHONE_LOCK, RELEASE_MS);
  if (!release) return;
  if (isUsed()) return release();
  recorder.addEventListener("state", () => recorder.isRecording || release()); // no other tab gets it in between
  await recorder.start();
}

/**
 * Continue what earlier pages recorded, and then record if the user was recording when the page was last open. The text
 * of a recording follows that of the ones before it.
 * @param {Recorder} recorder
 * @param {Preferences} preferences
 */
async function record(recorder, preferences) {
  const wasRecording = preferences.get("recordsOnOpen");
  let isUsed = false;
  recorder.addEventListener("state", () => (isUsed ||= recorder.state.state === "starting"));
  await recorder.restore();
  if (wasRecording) await recordOnOpen(recorder, () => isUsed);
}

async function main() {
  translatePage();
  const store = await Store.open();
  const root = element("sheet");
  const sheet = new Sheet(root, await store.load());
  new Highlights(sheet);
  const preferences = new Preferences();
  const recorder = new Recorder(sheet, store.id, preferences);
  const files = new Files(sheet, recorder, notify);
  const access = new Access(preferences);
  const panel = new SettingsPanel(preferences);
  const facts = new ServerFacts(access);
  lockMicrophone(recorder);
  new Controls(recorder, preferences, facts);
  new WordPopover(root, sheet, recorder);
  keep(store, sheet);
  connectEditButtons(sheet, store, recorder);
  connectEarlierSheets(store, recorder, notify);
  connectKeys(sheet, files);
  connectDialogs();
  keepFocus();
  connectRecorder(recorder, { sheet, files, store, access, facts, preferences });
  connectFacts(facts, recorder, panel);
  if (store.isUnread) warn("unread");
  else if (!isSecureContext) warn("insecure");
  for (const part of document.querySelectorAll("[inert]")) part.removeAttribute("inert");
  sheet.focus();
  facts.refresh();
  await record(recorder, preferences);
  await offerRecovery(recorder, notify);
}

main();

if (isSecureContext) navigator.serviceWorker?.register("/service-worker.js", { scope: "/" }).catch(() => {});

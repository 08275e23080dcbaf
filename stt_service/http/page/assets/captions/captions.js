// @ts-check
/**
 * The captions page: the text of a stream that somebody publishes under a name.
 *
 * The fragment of the address, which no server receives, has options: `#key=…&obs&size=3`. `?obs` works as well.
 */
import { sanitizeTranscript } from "../sheet/graphemes.js";
import { t, translatePage } from "../strings.js";
import { DeniedError, EventStream } from "./event-stream.js";

const SIZE_KEY = "stt-captions-size";
const SIZES_REM = [1.25, 1.5, 1.875, 2.25, 2.75, 3.5, 4.5, 6];
const DEFAULT_REM = 2.25;
const KEPT_LINES = 200; // of the log
const OBS_LINES = 3;

const element = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const options = new URLSearchParams(location.hash.slice(1));
const isObs = options.has("obs") || new URLSearchParams(location.search).has("obs");
const name = decodeURIComponent(location.pathname.split("/").at(-1) ?? "");

/** @type {Map<number, string>} partials of the open utterances */
const partials = new Map();

/** @param {"live" | "waiting" | "reconnecting" | "captionsDenied"} state */
function showState(state) {
  document.body.dataset.state = state;
  element("state").textContent = t(state, { name });
}

function showPartials() {
  const inOrder = [...partials].sort(([one], [other]) => one - other);
  element("partials").textContent = inOrder.map(([, text]) => text).join(" ");
}

/** @param {string} text */
function addLine(text) {
  const lines = element("lines");
  const isAtEnd = lines.scrollTop + lines.clientHeight >= lines.scrollHeight - 40; // pixels: unless the user scrolled up
  const line = document.createElement("p");
  line.textContent = text;
  lines.append(line);
  while (lines.childElementCount > (isObs ? OBS_LINES : KEPT_LINES)) lines.firstElementChild?.remove();
  if (isAtEnd) lines.scrollTop = lines.scrollHeight;
}

/** @param {import("./event-stream.js").ServerEvent} event */
function show({ kind, data }) {
  if (kind === "live" || kind === "waiting") {
    showState(kind);
    if (kind === "waiting") partials.clear();
    showPartials();
    return;
  }
  const content = JSON.parse(data)[kind] ?? {};
  const utterance = Number(content.utterance ?? 0);
  if (kind === "partial") {
    partials.set(utterance, sanitizeTranscript(`${content.stable ?? ""}${content.unstable ?? ""}`));
  } else if (kind === "final" || kind === "suppressed") {
    partials.delete(utterance);
    if (kind === "final") addLine(sanitizeTranscript(String(content.text ?? "")));
  }
  showPartials();
}

/** @param {number} rem */
function showSize(rem) {
  document.documentElement.style.setProperty("--size", `${rem}rem`);
}

/** The size that the viewer chose before; 0 without one, or where the browser forbids storage. */
function storedSize() {
  try {
    return Number(localStorage.getItem(SIZE_KEY));
  } catch {
    return 0;
  }
}

/** @param {number} rem */
function storeSize(rem) {
  try {
    localStorage.setItem(SIZE_KEY, String(rem));
  } catch {
    // The browser forbids storage: the size is valid until the page is closed.
  }
}

function connectSize() {
  const chosen = Number(options.get("size")) || storedSize() || DEFAULT_REM;
  let rem = chosen;
  showSize(rem);
  const choose = (/** @type {number | undefined} */ next) => {
    if (!next) return;
    rem = next;
    showSize(rem);
    storeSize(rem);
  };
  element("larger").addEventListener("click", () => choose(SIZES_REM.find((size) => size > rem)));
  element("smaller").addEventListener("click", () => choose(SIZES_REM.findLast((size) => size < rem)));
}

async function main() {
  translatePage();
  document.documentElement.classList.toggle("obs", isObs);
  document.title = t("captionsTitle", { name });
  element("name").textContent = name;
  connectSize();
  showState("reconnecting");
  const key = options.get("key") ?? sessionStorage.getItem("stt-token") ?? "";
  try {
    await new EventStream(`/api/captions/${encodeURIComponent(name)}`, key, show).run(() => showState("reconnecting"));
  } catch (error) {
    if (!(error instanceof DeniedError)) throw error;
    showState("captionsDenied");
  }
}

main();

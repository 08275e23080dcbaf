// @ts-check
/**
 * The captions page: the text of a stream that is published under a name.
 *
 * The fragment of the address, which no server receives, has options: `#key=…&obs&size=3`. `?obs` works as well. A
 * changed fragment takes effect at once.
 */
import { element } from "../element.js";
import { local, session } from "../storage.js";
import { t, translatePage } from "../strings.js";
import { DeniedError, EventStream, FullError } from "./event-stream.js";
import { Utterances } from "./utterances.js";

const SIZE_KEY = "stt-captions-size";
const SIZES_REM = [1.25, 1.5, 1.875, 2.25, 2.75, 3.5, 4.5, 6];
const DEFAULT_REM = 2.25;
const MAX_LINES = 200; // of the log
const OBS_LINES = 3;
const END_PX = 40; // a reader this close to the end of the log follows it

let options = new URLSearchParams(location.hash.slice(1));
const name = decodeURIComponent(location.pathname.split("/").at(-1) ?? "");

let sizeRem = DEFAULT_REM;
let wasLive = false;

const utterances = new Utterances();

/** @returns {boolean} whether the page is a source in OBS: only the text */
const isObs = () => options.has("obs") || new URLSearchParams(location.search).has("obs");

/** @param {"live" | "waiting" | "ended" | "reconnecting" | "captionsFull" | "captionsDenied"} state */
function showState(state) {
  document.body.dataset.state = state;
  element("state").textContent = t(state, { name });
}

/**
 * Keeps the end of the log in view until the reader scrolls up, and again once they scroll back to the end.
 *
 * Only the reader leaves the end: a partial that grows makes the log smaller, which is not a scroll by the reader.
 */
class Follower {
  #log = element("lines");
  #isFollowing = true;
  #topPx = 0;

  constructor() {
    this.#log.addEventListener("scroll", () => this.#onScroll());
    new ResizeObserver(() => this.show()).observe(this.#log);
  }

  /** Show the end of the log, unless the reader left it, and the end of the partials. */
  show() {
    const partials = element("partials");
    partials.scrollTop = partials.scrollHeight;
    if (this.#isFollowing) this.#log.scrollTop = this.#log.scrollHeight;
  }

  #onScroll() {
    const { scrollTop, clientHeight, scrollHeight } = this.#log;
    if (scrollTop + clientHeight >= scrollHeight - END_PX) this.#isFollowing = true;
    else if (scrollTop < this.#topPx) this.#isFollowing = false;
    this.#topPx = scrollTop;
  }
}

const follower = new Follower();

function showPartials() {
  element("partials").textContent = utterances.partials.join(" ");
  follower.show();
}

/** @param {string} text */
function addLine(text) {
  const line = document.createElement("p");
  line.textContent = text;
  element("lines").append(line);
  removeOldLines();
}

function removeOldLines() {
  const lines = element("lines");
  while (lines.childElementCount > (isObs() ? OBS_LINES : MAX_LINES)) lines.firstElementChild?.remove();
}

/** @param {import("./event-stream.js").ServerEvent} event */
function show(event) {
  if (event.kind === "live" || event.kind === "waiting") {
    wasLive ||= event.kind === "live" || element("lines").childElementCount > 0;
    showState(event.kind === "waiting" && wasLive ? "ended" : event.kind);
    utterances.forgetPartials();
  } else {
    const text = utterances.handle(event);
    if (text !== null) addLine(text);
  }
  showPartials();
}

function showSize() {
  document.documentElement.style.setProperty("--size", `${sizeRem}rem`);
  follower.show();
}

function connectSize() {
  const choose = (/** @type {number | undefined} */ next) => {
    if (!next) return;
    sizeRem = next;
    showSize();
    local.set(SIZE_KEY, String(next));
  };
  element("larger").addEventListener("click", () => choose(SIZES_REM.find((size) => size > sizeRem)));
  element("smaller").addEventListener("click", () => choose(SIZES_REM.findLast((size) => size < sizeRem)));
}

/** Apply the options, except the key. */
function applyOptions() {
  document.documentElement.classList.toggle("obs", isObs());
  removeOldLines();
  sizeRem = Number(options.get("size")) || Number(local.get(SIZE_KEY)) || DEFAULT_REM;
  showSize();
}

/** Apply changed options; a stream cannot change its key. */
function onOptionsChanged() {
  const key = options.get("key");
  options = new URLSearchParams(location.hash.slice(1));
  if (options.get("key") === key) applyOptions();
  else location.reload();
}

async function main() {
  translatePage();
  document.title = t("captionsTitle", { name });
  element("name").textContent = name;
  connectSize();
  applyOptions();
  addEventListener("hashchange", onOptionsChanged);
  showState("reconnecting");
  const key = options.get("key") ?? session.get("stt-token") ?? "";
  try {
    await new EventStream(`/api/captions/${encodeURIComponent(name)}`, key, show).run((error) =>
      showState(error instanceof FullError ? "captionsFull" : "reconnecting"),
    );
  } catch (error) {
    if (!(error instanceof DeniedError)) throw error;
    showState("captionsDenied");
  }
}

main();

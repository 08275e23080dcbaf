// @ts-check
/**
 * What the server says of itself: version, model, languages, limits and default settings.
 *
 * It is asked when the page opens, when a stream connects or is lost, and again while it does not answer or is not ready:
 * a page from the browser's copy opens without the server, and a server that returns may have other facts.
 *
 * @typedef {NonNullable<Awaited<ReturnType<import("./access.js").Access["info"]>>>} Info
 */

const RETRY_MS = [1000, 2000, 5000, 10_000, 30_000]; // without the final facts; the last one repeats

/** Dispatches "change" after other facts, or another `isReachable`. */
export class ServerFacts extends EventTarget {
  #access;
  #failures = 0; // in a row: no answer, or a server that is not ready
  #requests = 0; // only the latest one counts
  #retry = 0;
  /** @type {Info | null} */ info = null;
  isReachable = true; // until the first answer is missing

  /** @param {import("./access.js").Access} access */
  constructor(access) {
    super();
    this.#access = access;
    addEventListener("online", () => this.isReachable || this.refresh());
  }

  /** Ask whenever a stream of the recorder connects or is lost. @param {import("./recorder.js").Recorder} recorder */
  follow(recorder) {
    let wasConnected = false;
    recorder.addEventListener("state", (event) => {
      const isConnected = /** @type {CustomEvent} */ (event).detail.state === "recording";
      if (isConnected && !wasConnected) this.refresh();
      wasConnected = isConnected;
    });
    recorder.addEventListener("unreachable", () => this.refresh());
    recorder.addEventListener("final", () => this.info?.notReady && this.refresh()); // it is ready
  }

  /** Ask the server; without an answer, ask again later. */
  async refresh() {
    clearTimeout(this.#retry);
    const request = (this.#requests += 1);
    const info = await this.#access.askIfRequired();
    if (request !== this.#requests) return;
    const isFinal = info !== null && !info.notReady; // a server that loads has no languages yet
    if (!isFinal)
      this.#retry = setTimeout(() => this.refresh(), RETRY_MS[Math.min(this.#failures, RETRY_MS.length - 1)]);
    this.#failures = isFinal ? 0 : this.#failures + 1;
    this.#show(info);
  }

  /** @param {Info | null} info null: the server does not answer */
  #show(info) {
    const wasReachable = this.isReachable;
    this.isReachable = info !== null;
    const isNew = info !== null && JSON.stringify(info) !== JSON.stringify(this.info);
    this.info = info ?? this.info;
    if (isNew || this.isReachable !== wasReachable) this.dispatchEvent(new Event("change"));
  }
}

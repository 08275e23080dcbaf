// @ts-check
/**
 * The events of captions. The stream reconnects by itself, after the delay that the server sends, and continues after
 * the last event.
 *
 * @typedef {Readonly<{kind: string, data: string}>} ServerEvent
 */

import { serverEvents } from "../server-events.js";

const FIRST_DELAY_MS = 2000;
const MAX_DELAY_MS = 30_000;
const SILENCE_MS = 45_000; // three heartbeats of the server

/** The server refused the key; another attempt would not change that. */
export class DeniedError extends Error {}

/** The server has too many viewers; a later attempt may be accepted. */
export class FullError extends Error {}

export class EventStream {
  #url;
  #key;
  #onEvent;
  #lastId = "";
  #delayMs = FIRST_DELAY_MS;

  /**
   * @param {string} url
   * @param {string} key empty without one
   * @param {(event: ServerEvent) => void} onEvent
   */
  constructor(url, key, onEvent) {
    this.#url = url;
    this.#key = key;
    this.#onEvent = onEvent;
  }

  /**
   * Receive events until the page closes.
   * @param {(error: unknown) => void} onLost the connection ended, maybe with an error; another attempt follows
   * @throws {DeniedError}
   */
  async run(onLost) {
    for (;;) {
      let cause = null;
      try {
        await this.#receive();
      } catch (error) {
        if (error instanceof DeniedError) throw error;
        cause = error;
      }
      onLost(cause);
      await untilOnline(this.#delayMs);
      this.#delayMs = Math.min(2 * this.#delayMs, MAX_DELAY_MS);
    }
  }

  async #receive() {
    for await (const fields of serverEvents((signal) => this.#open(signal), SILENCE_MS)) this.#handle(fields);
  }

  /** @param {AbortSignal} signal */
  async #open(signal) {
    const response = await fetch(this.#url, { headers: this.#headers(), cache: "no-store", signal });
    if (response.status === 401 || response.status === 403) throw new DeniedError();
    if (response.status === 429) throw new FullError();
    if (!response.ok || !response.body) throw new Error(`The server answered with status ${response.status}.`);
    return response.body;
  }

  #headers() {
    return {
      Accept: "text/event-stream",
      ...(this.#key && { Authorization: `Bearer ${this.#key}` }),
      ...(this.#lastId && { "Last-Event-ID": this.#lastId }),
    };
  }

  /** @param {Map<string, string>} fields */
  #handle(fields) {
    this.#lastId = fields.get("id") ?? this.#lastId;
    const retry = Number(fields.get("retry"));
    if (retry > 0) this.#delayMs = Math.min(retry, MAX_DELAY_MS);
    const kind = fields.get("event");
    if (kind) this.#onEvent({ kind, data: fields.get("data") ?? "{}" });
  }
}

/** Wait until the browser is online again, or until the timeout. @param {number} timeoutMs */
async function untilOnline(timeoutMs) {
  const listening = new AbortController();
  await new Promise((resolve) => {
    setTimeout(resolve, timeoutMs);
    addEventListener("online", resolve, { signal: listening.signal });
  });
  listening.abort();
}

/** Control over HTTP: docs/control.md. Messages are proto3 JSON of control.proto. */
import { authorization } from "../authorization.js";
import { serverEvents } from "../server-events.js";
import { session } from "../storage.js";

const BASE = "/api/control";
const TOKEN_KEY = "stt-control-token";
const TIMEOUT_MS = 10_000; // of a response, and between two statuses, which the server sends each second

/** The server rejected a request, or cannot be reached (status 0). */
export class ControlError extends Error {
  /**
   * @param {number} status of HTTP; 0 without a response
   * @param {string} message
   * @param {Record<string, string>} fields a message for each invalid setting
   */
  constructor(status, message, fields = {}) {
    super(message);
    this.status = status;
    this.fields = fields;
  }
}

export class ControlApi {
  get token() {
    return session.get(TOKEN_KEY) ?? "";
  }

  set token(value) {
    if (value) session.set(TOKEN_KEY, value);
    else session.remove(TOKEN_KEY);
  }

  get(path) {
    return this.#request("GET", path);
  }

  post(path, message = {}) {
    return this.#request("POST", path, message);
  }

  patch(path, message) {
    return this.#request("PATCH", path, message);
  }

  /**
   * Yields the status once a second until the signal aborts, the connection ends, or no status is received in time.
   * @param {AbortSignal} signal
   */
  async *watchStatus(signal) {
    const open = async (silence) =>
      (await this.#fetch("/status/events", { signal: AbortSignal.any([signal, silence]) })).body;
    try {
      for await (const fields of serverEvents(open, TIMEOUT_MS)) yield JSON.parse(fields.get("data") ?? "{}").status;
    } catch (error) {
      throw asControlError(error);
    }
  }

  async #request(method, path, message) {
    const body = message === undefined ? undefined : JSON.stringify(message);
    const response = await this.#fetch(path, { method, body, signal: AbortSignal.timeout(TIMEOUT_MS) });
    try {
      return await response.json();
    } catch (error) {
      throw asControlError(error); // the connection was lost in the body, or a proxy sent something else
    }
  }

  async #fetch(path, options) {
    const headers = { "Content-Type": "application/json", ...authorization(this.token) };
    let response;
    try {
      response = await fetch(BASE + path, { ...options, headers, cache: "no-store", credentials: "omit" });
    } catch (error) {
      throw asControlError(error);
    }
    if (!response.ok) throw await rejection(response);
    return response;
  }
}

async function rejection(response) {
  const content = await response.json().catch(() => ({}));
  const message = content.failure?.message ?? `The server answered with status ${response.status}.`;
  return new ControlError(response.status, message, content.fields);
}

function asControlError(error) {
  if (error instanceof ControlError) return error;
  return new ControlError(0, error instanceof RangeError ? error.message : "The server cannot be reached.");
}

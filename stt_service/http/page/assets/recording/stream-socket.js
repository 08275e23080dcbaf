/**
 * One stream: a WebSocket from its first frame to its end. Knows nothing of resuming.
 *
 * `closed` resolves with the reason of the end. A failure that the server sent in-band is that reason; a connection
 * that ends without one was lost. Audio waits while `bufferedAmount` is above MAX_BUFFERED_BYTES, so that the replay of
 * a long outage occupies neither the memory of the browser nor the uplink.
 */

import { SUBPROTOCOL, parseResponse, streamUrl, subprotocols } from "./messages.js";
import { StreamError } from "./retry.js";

export const MAX_BUFFERED_BYTES = 131_072; // about a second at 48 kHz
const POLL_MS = 20; // WebSocket has no event for a buffer that drains
const NORMAL_CLOSURE = 1000;
// Close codes without an in-band failure that another attempt would only repeat.
const FATAL_CLOSE_CODES = new Map([
  [1002, "INVALID_ARGUMENT"],
  [1003, "INVALID_ARGUMENT"],
  [1007, "INVALID_ARGUMENT"],
  [1008, "PERMISSION_DENIED"],
  [1009, "INVALID_ARGUMENT"],
]);

export class StreamSocket {
  /**
   * @param {string} baseUrl of the server
   * @param {string} token empty without one
   * @param {object} opening the first frame
   * @param {(event: import("./messages.js").Event) => void} onEvent
   */
  constructor(baseUrl, token, opening, onEvent) {
    this._onEvent = onEvent;
    this._failure = null;
    this._socket = new WebSocket(streamUrl(baseUrl), subprotocols(token));
    this._socket.binaryType = "arraybuffer";
    this._wasOpen = false;
    /** @type {Promise<{isClean: boolean, wasOpen: boolean, error: StreamError}>} */
    this.closed = new Promise((resolve) => {
      this._end = resolve;
    });
    this._socket.onopen = () => this._onOpen(opening);
    this._socket.onmessage = ({ data }) => this._onMessage(data);
    this._socket.onclose = (event) => this._end(this._outcome(event));
  }

  get isOpen() {
    return this._socket.readyState === WebSocket.OPEN && this._failure === null;
  }

  /** @param {Uint8Array | object} item audio, or the message of a text frame */
  send(item) {
    if (this.isOpen) this._socket.send(item instanceof Uint8Array ? item : JSON.stringify(item));
  }

  /** Resolve once the connection takes more audio, or is closed. */
  async drained() {
    while (this.isOpen && this._socket.bufferedAmount > MAX_BUFFERED_BYTES) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** End the stream now, without waiting for the peer of a dead connection. @param {StreamError} error */
  abort(error) {
    this._failure ??= error;
    this._socket.close();
    this._end({ isClean: false, wasOpen: this._wasOpen, error: this._failure });
  }

  _onOpen(opening) {
    this._wasOpen = true;
    if (this._socket.protocol !== SUBPROTOCOL) {
      this.abort(
        new StreamError("The server does not support this page: reload it.", "UNIMPLEMENTED", null, "page-outdated"),
      );
    } else {
      this.send(opening);
    }
  }

  _onMessage(data) {
    if (this._failure) return;
    try {
      const event = parseResponse(data);
      if (event.type === "failure") this.abort(event.error); // the close may never arrive
      this._onEvent(event);
    } catch (error) {
      this.abort(error instanceof StreamError ? error : new StreamError(String(error), "INTERNAL"));
    }
  }

  _outcome({ code, reason }) {
    const wasOpen = this._wasOpen;
    if (this._failure) return { isClean: false, wasOpen, error: this._failure };
    const status = FATAL_CLOSE_CODES.get(code) ?? "UNAVAILABLE";
    const message = reason || "The connection to the server is lost.";
    return { isClean: code === NORMAL_CLOSURE, wasOpen, error: new StreamError(message, status) };
  }
}

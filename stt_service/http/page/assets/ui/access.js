// @ts-check
/** What the server says of itself, and the access token that it may require. */
import { authorization } from "../authorization.js";
import { element } from "../element.js";
import { t } from "../strings.js";

const INFO_TIMEOUT_MS = 10_000;

export class Access {
  #preferences;
  #dialog = /** @type {HTMLDialogElement} */ (element("token-dialog"));
  #input = /** @type {HTMLInputElement} */ (element("token-input"));

  /** @param {import("./preferences.js").Preferences} preferences */
  constructor(preferences) {
    this.#preferences = preferences;
    element("token-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#take(this.#input.value.trim());
    });
  }

  /**
   * The server's facts; null if it is unreachable.
   * @returns {Promise<{version: string, tokensRequired: boolean, authorized: boolean, model: string,
   *   notReady: string | null, languages: string[], limits?: object, settings?: object} | null>}
   */
  async info() {
    const headers = authorization(this.#preferences.token);
    try {
      const response = await fetch("/api/info", { headers, signal: AbortSignal.timeout(INFO_TIMEOUT_MS) });
      return response.ok ? await response.json() : null;
    } catch {
      return null;
    }
  }

  /**
   * Ask for a token if the server requires one and this page has no valid one. A browser hides from a page why a stream
   * was rejected, so an unreachable server is asked, too.
   */
  async askIfRequired() {
    const info = await this.info();
    if (info?.tokensRequired && !info.authorized) this.ask(Boolean(this.#preferences.token));
    return info;
  }

  /**
   * Ask for a token.
   * @param {boolean} wasRejected
   */
  ask(wasRejected) {
    if (this.#dialog.open) return;
    element("token-title").textContent = t(wasRejected ? "tokenRejected" : "tokenTitle");
    this.#input.value = "";
    this.#dialog.showModal();
  }

  /** @param {string} token */
  #take(token) {
    if (!token) return;
    this.#dialog.close();
    this.#preferences.token = token;
  }
}

/** Operations on the server: confirmation, request, and the announcement of its result. */

import { element } from "../element.js";
import { setText } from "./dom.js";
import { ControlError } from "./api.js";

export class Operator {
  /**
   * @param {import("./api.js").ControlApi} api
   * @param {() => Promise<void>} refresh shows the lists again
   * @param {(error: ControlError) => void} onUnauthorized
   */
  constructor(api, refresh, onUnauthorized) {
    this.api = api;
    this.refresh = refresh;
    this.onUnauthorized = onUnauthorized;
  }

  /**
   * Sends a request and announces its result.
   * @param {string} announcement after success
   * @returns {Promise<object | null>} the response; null: the request failed
   */
  async perform(announcement, path, message = {}) {
    let response = null;
    try {
      response = await this.api.post(path, message);
      this.announce(announcement);
      await this.refresh();
    } catch (error) {
      this.report(error);
    }
    return response;
  }

  /** Shows an error of the server; other errors are faults of the page. */
  report(error) {
    if (!(error instanceof ControlError)) throw error;
    if (error.status === 401) this.onUnauthorized(error);
    else this.announce(error.message);
  }

  /** Shows a sentence, which screen readers announce. */
  announce(text) {
    setText(element("result"), text);
  }

  /** @returns {Promise<boolean>} whether the operator confirms; the focus then returns to its former element */
  confirm(question, action) {
    const dialog = element("confirm");
    setText(element("confirm-question"), question);
    setText(element("confirm-yes"), action);
    dialog.returnValue = "cancel";
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    });
  }
}

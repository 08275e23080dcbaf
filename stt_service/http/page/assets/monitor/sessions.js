/** The table of open streams. A row exists as long as its stream, so that it keeps the focus. */

import { element } from "../element.js";
import { button, create, setText } from "./dom.js";
import { age, latency, seconds, word } from "./format.js";
import { Table } from "./table.js";

const COLUMNS = [
  ["Session", (session) => session.id],
  ["Client", (session) => session.clientId || "–", "wrap"],
  ["Peer", (session) => session.peer],
  ["API", (session) => (session.api ? word(session.api, "API_") : "–")],
  ["Age", (session) => age(seconds(session.age))],
  ["Audio", (session) => age(seconds(session.audioReceived))],
  ["Pending", (session) => latency(seconds(session.audioPending))],
  ["Phase", (session) => word(session.phase, "SESSION_PHASE_")],
  ["Words", (session) => String(session.words)],
  ["Language", (session) => session.language],
  ["Model", (session) => session.model],
];

export class Sessions {
  /** @param {import("./operator.js").Operator} operator */
  constructor(operator) {
    this.operator = operator;
    this.rows = new Map();
    this.table = new Table("Open sessions", [
      ...COLUMNS.map(([name, , className]) => [name, className]),
      ["Actions", "row-actions"],
    ]);
    this.empty = create("p", { class: "hint" }, "No open sessions.");
    element("sessions").append(this.empty, this.table.root);
  }

  /** Shows the sessions of a ListSessionsResponse. */
  show(sessions) {
    const open = new Set(sessions.map((session) => session.id));
    for (const [id, row] of this.rows) {
      if (!open.has(id)) this.#remove(id, row);
    }
    for (const session of sessions) this.#update(session);
    this.empty.hidden = sessions.length > 0;
    this.table.root.hidden = sessions.length === 0;
  }

  #update(session) {
    if (!this.rows.has(session.id)) {
      const row = this.#row(session.id);
      this.rows.set(session.id, row);
      this.table.body.append(row);
    }
    const cells = this.rows.get(session.id).children;
    COLUMNS.forEach(([, text], index) => setText(cells[index], text(session)));
  }

  #remove(id, row) {
    if (row.contains(document.activeElement)) element("sessions-heading").focus();
    row.remove();
    this.rows.delete(id);
  }

  #row(id) {
    const path = `/sessions/${encodeURIComponent(id)}`;
    const finalize = () => this.operator.perform(`Utterance of session ${id} finalized.`, `${path}/finalize`);
    const actions = document.createDocumentFragment();
    actions.append(
      button("Finalize", finalize, { "aria-label": `Finalize the utterance of session ${id}` }),
      button("Terminate…", () => this.#terminate(id, path), {
        class: "button danger",
        "aria-label": `Terminate session ${id}`,
      }),
    );
    return this.table.row(...COLUMNS.map(() => ""), actions);
  }

  async #terminate(id, path) {
    const question = `Terminate session ${id}? Its client receives the pending text and does not reconnect.`;
    if (await this.operator.confirm(question, "Terminate")) {
      await this.operator.perform(`Session ${id} terminated.`, `${path}/terminate`);
    }
  }
}

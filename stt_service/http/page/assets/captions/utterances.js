// @ts-check
/**
 * The utterances that viewers see: each ended one once, and the partials of the open ones.
 *
 * An utterance is identified by its recording and its number, which only grows within the recording. Events of an
 * utterance that has ended are ignored: a server that has restarted since then may send them again. All partials are
 * forgotten when the captions start, end, or are received over another connection: the server then sends the open ones.
 */
import { sanitizeTranscript } from "../sheet/graphemes.js";

const MAX_RECORDINGS = 64; // whose first open utterance is known

/** @typedef {{next: number, partials: Map<number, string>}} Recording next: the first open utterance */

export class Utterances {
  /** @type {Map<string, Recording>} */
  #recordings = new Map();

  /**
   * Handle an event; return the text of an utterance that ended with one.
   * @param {import("./event-stream.js").ServerEvent} event
   * @returns {string | null}
   */
  handle({ kind, data }) {
    const response = JSON.parse(data);
    const content = response[kind] ?? {};
    const utterance = Number(content.utterance ?? 0);
    const recording = this.#recording(String(response.recording));
    if (utterance < recording.next) return null;
    if (kind === "partial") {
      recording.partials.set(utterance, sanitizeTranscript(`${content.stable ?? ""}${content.unstable ?? ""}`));
    } else if (kind === "final" || kind === "suppressed") {
      recording.next = utterance + 1;
      for (const each of recording.partials.keys()) if (each <= utterance) recording.partials.delete(each);
    }
    return kind === "final" ? sanitizeTranscript(String(content.text ?? "")) : null;
  }

  forgetPartials() {
    for (const { partials } of this.#recordings.values()) partials.clear();
  }

  /** The partials in the order of their utterances. */
  get partials() {
    const inOrder = (/** @type {Recording} */ { partials }) => [...partials].sort(([one], [other]) => one - other);
    return [...this.#recordings.values()].flatMap(inOrder).map(([, text]) => text);
  }

  /** @param {string} id */
  #recording(id) {
    const known = this.#recordings.get(id);
    if (known) return known;
    const [oldest] = this.#recordings.keys();
    if (this.#recordings.size >= MAX_RECORDINGS) this.#recordings.delete(oldest);
    const recording = { next: 0, partials: new Map() };
    this.#recordings.set(id, recording);
    return recording;
  }
}

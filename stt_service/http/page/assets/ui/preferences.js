// @ts-check
/**
 * What the user has chosen. Kept in localStorage, which all tabs share; the access token only in sessionStorage.
 *
 * @typedef {{language: string, hotwords: string[], silence: number | null, device: string, noiseSuppression: boolean,
 *   pushToTalk: string, autoCopy: boolean, theme: string, interfaceLanguage: string, publish: boolean,
 *   captionsName: string, captionsKey: string, captionsViewerKey: string, recordsOnOpen: boolean}} Values
 */
import { randomId } from "../random.js";
import { local, session } from "../storage.js";

const KEY = "stt-settings";
const TOKEN_KEY = "stt-token";
const SEPARATOR = ", "; // of the terms, as the server joins them
const LIMITS = { hotwords: 100, promptChars: 2000 }; // until the server has reported its own

/** @type {Values} */
const DEFAULTS = {
  language: "", // the server's
  hotwords: [],
  silence: null,
  device: "",
  noiseSuppression: true,
  pushToTalk: "Space",
  autoCopy: false,
  theme: "system",
  interfaceLanguage: "",
  publish: false,
  captionsName: "",
  captionsKey: "", // of the publisher
  captionsViewerKey: "", // in the link
  recordsOnOpen: false, // the user was recording when the page was last open
};

/** Dispatches "change" with the name of a value that this tab or another one has changed; "token" for the token. */
export class Preferences extends EventTarget {
  /** @type {{limits: typeof LIMITS, settings: Record<string, any>}} */ #server = { limits: LIMITS, settings: {} };
  /** @type {{stored: string | null, values: Values}} */ #last = { stored: null, values: DEFAULTS };

  constructor() {
    super();
    this.#createKeys();
    addEventListener("storage", ({ key, oldValue, newValue }) => key === KEY && this.#onStored(oldValue, newValue));
  }

  /**
   * They are read at each key, and parsed if they changed.
   * @returns {Values} as stored: another tab may have changed them
   */
  get #values() {
    const stored = local.get(KEY);
    if (stored !== this.#last.stored) this.#last = { stored, values: { ...DEFAULTS, ...parsed(stored) } };
    return this.#last.values;
  }

  /**
   * @template {keyof Values} Name
   * @param {Name} name
   * @returns {Values[Name]}
   */
  get(name) {
    return this.#values[name];
  }

  /**
   * @template {keyof Values} Name
   * @param {Name} name
   * @param {Values[Name]} value
   */
  set(name, value) {
    local.set(KEY, JSON.stringify({ ...this.#values, [name]: value }));
    this.#changed(name);
  }

  get token() {
    return session.get(TOKEN_KEY) ?? "";
  }

  set token(token) {
    if (token) session.set(TOKEN_KEY, token);
    else session.remove(TOKEN_KEY);
    this.#changed("token");
  }

  /**
   * Take the limits and default settings of the server.
   * @param {{limits?: object, settings?: Record<string, any>}} info
   */
  setServer({ limits, settings }) {
    this.#server = { limits: { ...LIMITS, ...limits }, settings: settings ?? this.#server.settings };
  }

  /**
   * How much of the vocabulary the server accepts.
   * @param {string[]} terms
   */
  vocabulary(terms) {
    const { hotwords, promptChars } = this.#server.limits;
    let characters = -SEPARATOR.length;
    const ends = terms.map((term) => (characters += SEPARATOR.length + term.length));
    const accepted = terms.filter((_, index) => index < hotwords && ends[index] <= promptChars);
    return { accepted, values: { count: terms.length, characters, maxCount: hotwords, maxCharacters: promptChars } };
  }

  /** The proto3 JSON of the `Settings` of a stream; without the server's defaults. */
  streamSettings() {
    const { language, silence } = this.#values;
    const hotwords = this.vocabulary(this.#values.hotwords).accepted;
    return {
      ...(language && { language }),
      ...(hotwords.length && { hotwords }),
      ...(silence && { postSpeechSilence: `${silence}s` }),
    };
  }

  /** All settings for a running stream: others return to the server's. An empty term clears the list. */
  updatedSettings() {
    const { language, hotwords = [], postSpeechSilence } = this.#server.settings;
    const defaults = { language, hotwords: hotwords.length ? hotwords : [""], postSpeechSilence };
    return { ...defaults, ...this.streamSettings() };
  }

  /** Name and keys of the published captions; null if they are not published. */
  captions() {
    const { publish, captionsName: name, captionsKey: key, captionsViewerKey: viewerKey } = this.#values;
    return publish && name ? { name, key, viewerKey } : null;
  }

  #createKeys() {
    for (const key of /** @type {const} */ (["captionsKey", "captionsViewerKey"])) {
      if (!this.get(key)) this.set(key, randomId());
    }
  }

  /**
   * Another tab has stored settings.
   * @param {string | null} before
   * @param {string | null} after
   */
  #onStored(before, after) {
    const [old, current] = [before, after].map((stored) => ({ ...DEFAULTS, ...parsed(stored) }));
    this.#createKeys();
    for (const name of /** @type {(keyof Values)[]} */ (Object.keys(DEFAULTS))) {
      if (JSON.stringify(old[name]) !== JSON.stringify(current[name])) this.#changed(name);
    }
  }

  /** @param {string} name */
  #changed(name) {
    this.dispatchEvent(new CustomEvent("change", { detail: name }));
  }
}

/**
 * @param {string | null} stored
 * @returns {Partial<Values>}
 */
function parsed(stored) {
  try {
    return JSON.parse(stored ?? "{}");
  } catch {
    return {};
  }
}

// @ts-check
/**
 * What the user has chosen. Kept in localStorage; the access token only in sessionStorage.
 *
 * @typedef {{language: string, hotwords: string[], silence: number | null, device: string, noiseSuppression: boolean,
 *   pushToTalk: string, autoCopy: boolean, theme: string, interfaceLanguage: string, publish: boolean,
 *   captionsName: string, captionsKey: string, recordsOnOpen: boolean}} Values
 */

const KEY = "stt-settings";
const TOKEN_KEY = "stt-token";
const MAX_HOTWORDS = 100; // the server's limit

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
  captionsKey: "",
  recordsOnOpen: false, // the user was recording when the page was last open
};

/** Dispatches "change" with the name of the changed value. */
export class Preferences extends EventTarget {
  /** @type {Values} */ #values;

  constructor() {
    super();
    this.#values = { ...DEFAULTS, ...read() };
    if (!this.#values.captionsKey) this.set("captionsKey", randomKey());
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
    this.#values = { ...this.#values, [name]: value };
    try {
      localStorage.setItem(KEY, JSON.stringify(this.#values));
    } catch {
      // Without storage the choice holds until the page is closed.
    }
    this.dispatchEvent(new CustomEvent("change", { detail: name }));
  }

  get token() {
    return sessionStorage.getItem(TOKEN_KEY) ?? "";
  }

  set token(token) {
    if (token) sessionStorage.setItem(TOKEN_KEY, token);
    else sessionStorage.removeItem(TOKEN_KEY);
  }

  /** The proto3 JSON of the `Settings` of a stream; without the server's defaults. */
  streamSettings() {
    const { language, hotwords, silence } = this.#values;
    return {
      ...(language && { language }),
      ...(hotwords.length && { hotwords: hotwords.slice(0, MAX_HOTWORDS) }),
      ...(silence && { postSpeechSilence: `${silence}s` }),
    };
  }

  /** Name and key of the published captions; null if they are not published. */
  captions() {
    const { publish, captionsName, captionsKey } = this.#values;
    return publish && captionsName ? { name: captionsName, key: captionsKey } : null;
  }
}

/** @returns {Partial<Values>} */
function read() {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}");
  } catch {
    return {};
  }
}

/** 128 random bits, URL-safe. */
function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// @ts-check
/** The settings: one form whose changes apply at once. */
import { element } from "../element.js";
import { commandKey, optionKey } from "../keys.js";
import { t, useLanguage } from "../strings.js";
import { HOLD_KEYS, keyName } from "./controls.js";
import { write } from "./files.js";

const THEMES = ["system", "light", "dark"];
const INTERFACE_LANGUAGES = [
  ["en", "English"],
  ["ru", "Русский"],
];
const CAPTIONS_NAME = /^[A-Za-z0-9_-]{1,64}$/;

export class SettingsPanel {
  #dialog = /** @type {HTMLDialogElement} */ (element("settings"));
  #preferences;
  /** @type {{version: string, model: string, languages: string[], tokensRequired: boolean} | null} */ #server = null;

  /** @param {import("./preferences.js").Preferences} preferences */
  constructor(preferences) {
    this.#preferences = preferences;
    element("open-settings").addEventListener("click", () => this.open());
    this.#nameCaptions(preferences.get("publish"));
    this.#translate();
    // Before other parts receive the change: they show their texts in the new language.
    preferences.addEventListener("change", (event) => this.#apply(/** @type {CustomEvent} */ (event).detail));
    this.#dialog.addEventListener("change", (event) => this.#onChange(/** @type {HTMLInputElement} */ (event.target)));
    element("settings-form").addEventListener("submit", (event) => event.preventDefault());
    this.#dialog.addEventListener("click", (event) => event.target === this.#dialog && this.#dialog.close());
    element("copy-captions-link").addEventListener("click", () => this.#copyCaptionsLink());
  }

  open() {
    for (const field of this.#fields) this.#showValue(field); // also in place of a value that was not saved
    this.#fillDevices();
    this.#dialog.showModal();
  }

  /**
   * Show the facts of the server.
   * @param {{version: string, model: string, languages: string[], tokensRequired: boolean, limits?: object,
   *   settings?: object}} info
   */
  showServer(info) {
    this.#server = info;
    this.#preferences.setServer(info);
    this.#translate();
  }

  /** Fill in all that depends on the language of the page. */
  #translate() {
    this.#fillChoices();
    this.#fillLanguages();
    if (this.#server) this.#fillServer(this.#server);
    this.#fillKeys();
    this.#fillDevices();
    this.#showValues();
  }

  /** @param {{version: string, model: string, tokensRequired: boolean}} server */
  #fillServer({ version, model, tokensRequired }) {
    element("version").textContent = t("version", { version, model });
    const help = element("captions-help");
    help.dataset.t = tokensRequired ? "captionsHelp" : "captionsHelpOpen"; // without tokens, the name is enough
    help.textContent = t(help.dataset.t);
  }

  /** The languages of the server, and the chosen one, which the server may not have or not have reported yet. */
  #fillLanguages() {
    const codes = new Set([...(this.#server?.languages ?? []), this.#preferences.get("language")]);
    const names = new Intl.DisplayNames([document.documentElement.lang], { type: "language" });
    const known = [...codes].filter((code) => code && code !== "auto").map((code) => [code, nameOf(names, code)]);
    known.sort(([, one], [, other]) => one.localeCompare(other, document.documentElement.lang));
    this.#choices("language", [["", t("serverDefault")], ["auto", t("languageAuto")], ...known]);
  }

  /** @returns {NodeListOf<HTMLInputElement>} */
  get #fields() {
    return this.#dialog.querySelectorAll("[name]");
  }

  /** @param {string} name */
  #field(name) {
    return /** @type {HTMLInputElement & HTMLSelectElement} */ (this.#dialog.querySelector(`[name="${name}"]`));
  }

  /**
   * @param {string} name
   * @param {string[][]} choices value and text
   */
  #choices(name, choices) {
    this.#field(name).replaceChildren(...choices.map(([value, text]) => new Option(text, value)));
  }

  #fillChoices() {
    this.#choices(
      "theme",
      THEMES.map((theme) => [theme, t(`theme.${theme}`)]),
    );
    this.#choices("interfaceLanguage", [["", t("interface.system")], ...INTERFACE_LANGUAGES]);
    this.#choices(
      "pushToTalk",
      HOLD_KEYS.map((key) => [key, key === "Space" ? t("holdSpace") : keyName(key)]),
    );
    this.#choices("device", [["", t("deviceDefault")]]);
  }

  /** The microphones; browsers name them only after a permission. */
  async #fillDevices() {
    const devices = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
    const inputs = devices.filter(({ kind, deviceId, label }) => kind === "audioinput" && deviceId && label);
    const named = inputs
      .filter(({ deviceId }) => deviceId !== "default")
      .map(({ deviceId, label }) => [deviceId, label]);
    this.#choices("device", [["", t("deviceDefault")], ...named]);
    this.#field("device").value = this.#preferences.get("device");
  }

  #fillKeys() {
    const holdKey = this.#preferences.get("pushToTalk");
    const hold = [keyName(holdKey), holdKey === "Space" ? "holdSpace" : "hold"];
    const keys = [
      [`${commandKey}+Enter`, "toggle"],
      ["Esc", "stop"],
      ...(holdKey === "none" ? [] : [hold]),
      [`${commandKey}+Shift+S`, "copy"],
      [`${commandKey}+Z`, "undo"],
      [`${commandKey}+Shift+Z`, "redo"],
      [`${commandKey}+Shift+⌫`, "undoUtterance"],
      [`${commandKey}+S`, "save"],
      [`${optionKey}+Enter`, "word"],
    ];
    const rows = keys.map(([key, action]) => {
      const term = document.createElement("dt");
      const name = document.createElement("kbd");
      name.textContent = key;
      term.append(name);
      const description = document.createElement("dd");
      description.textContent = t(`keys.${action}`);
      return [term, description];
    });
    element("keys").replaceChildren(...rows.flat());
  }

  #showValues() {
    for (const field of this.#fields) {
      if (isRejected(field)) showError(field, this.#errorOf(field));
      else this.#showValue(field);
    }
    this.#showCaptions();
  }

  /** Show the saved value of a field, unless it is being edited. @param {HTMLInputElement} field */
  #showValue(field) {
    if (field === document.activeElement && this.#dialog.open && field.matches("textarea, input")) return;
    const preferences = this.#preferences;
    const name = /** @type {"theme"} */ (field.name);
    if (field.type === "checkbox") field.checked = Boolean(preferences.get(name));
    else if (field.name === "token") field.value = preferences.token;
    else if (field.name === "hotwords") field.value = preferences.get("hotwords").join("\n");
    else field.value = String(preferences.get(name) ?? "");
    showError(field, "");
  }

  /** Apply and show a value that this tab or another one has changed. @param {string} name */
  #apply(name) {
    const value = this.#preferences.get(/** @type {"theme"} */ (name));
    if (name === "theme") showTheme(value);
    if (name === "interfaceLanguage") {
      useLanguage(value);
      this.#translate();
    }
    if (name === "language") this.#fillLanguages();
    if (name === "pushToTalk") this.#fillKeys();
    const field = this.#dialog.querySelector(`[name="${name}"]`);
    if (field) this.#showValue(/** @type {HTMLInputElement} */ (field));
    if (name === "publish" || name === "captionsName") this.#showCaptions();
  }

  /** @param {HTMLInputElement} field */
  #onChange(field) {
    if (!field.name) return;
    const error = this.#errorOf(field);
    showError(field, error);
    if (error) return;
    const preferences = this.#preferences;
    const { name, value } = field;
    if (name === "publish") this.#nameCaptions(field.checked);
    if (name === "token") preferences.token = value.trim();
    else if (name === "hotwords") preferences.set(name, termsOf(value));
    else if (name === "silence") preferences.set(name, value ? Number(value) : null);
    else if (field.type === "checkbox") preferences.set(/** @type {"autoCopy"} */ (name), field.checked);
    else preferences.set(/** @type {"theme"} */ (name), value);
    if (name === "captionsName") this.#nameCaptions(preferences.get("publish"));
  }

  /** Why the value of a field cannot be saved; empty if it can. @param {HTMLInputElement} field */
  #errorOf({ name, value, validity }) {
    if (name !== "hotwords") return validity.valid ? "" : t(`rejected.${name}`);
    const terms = termsOf(value);
    const { accepted, values } = this.#preferences.vocabulary(terms);
    return accepted.length < terms.length ? t("vocabularyTooLong", values) : "";
  }

  #captionsUrl() {
    const captions = this.#preferences.captions();
    return captions ? `${location.origin}/captions/${encodeURIComponent(captions.name)}#key=${captions.viewerKey}` : "";
  }

  async #copyCaptionsLink() {
    const url = this.#captionsUrl();
    const isCopied = await write(url);
    element("captions-link-copied").textContent = t(isCopied ? "copied" : "copyLinkFailed", { key: "Ctrl+C" });
    if (isCopied) return;
    element("captions-link").textContent = url; // with the key, which is not shown otherwise
    getSelection()?.selectAllChildren(element("captions-link"));
  }

  /** Choose a name for captions that have none, in the tab that publishes them. @param {boolean} isPublished */
  #nameCaptions(isPublished) {
    if (!isPublished || CAPTIONS_NAME.test(this.#preferences.get("captionsName"))) return;
    this.#preferences.set("captionsName", `live-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`);
    this.#field("captionsName").value = this.#preferences.get("captionsName"); // also while it is being edited
    showError(this.#field("captionsName"), "");
  }

  #showCaptions() {
    element("captions-details").hidden = !this.#preferences.get("publish");
    const url = this.#captionsUrl();
    const link = /** @type {HTMLAnchorElement} */ (element("captions-link"));
    link.href = url || "/";
    link.textContent = url.replace(/#.*/, "");
    element("captions-link-copied").textContent = "";
    this.#showQrCode(url);
  }

  /** @param {string} url */
  async #showQrCode(url) {
    const shown = element("captions-qr");
    if (!url) return shown.replaceChildren();
    const { qrCode } = await import("./qr.js"); // only when needed: the page appears sooner
    if (url === this.#captionsUrl()) shown.replaceChildren(qrCode(url, t("qr")));
  }
}

/** @param {HTMLInputElement} field */
const isRejected = (field) => field.getAttribute("aria-invalid") === "true";

/**
 * Show at a field why its value is not saved.
 * @param {HTMLInputElement} field
 * @param {string} error empty if it is
 */
function showError(field, error) {
  const message = document.getElementById(`${field.name}-error`);
  if (!message) return; // each value is accepted
  field.setAttribute("aria-invalid", String(Boolean(error)));
  message.textContent = error;
  message.hidden = !error;
}

/** @param {string} text one term per line */
const termsOf = (text) =>
  text
    .split("\n")
    .map((term) => term.trim())
    .filter(Boolean);

/**
 * @param {Intl.DisplayNames} names
 * @param {string} code
 */
function nameOf(names, code) {
  try {
    return names.of(code) ?? code;
  } catch {
    return code;
  }
}

/** @param {string} theme */
function showTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

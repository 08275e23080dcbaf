// @ts-check
/** The texts of the pages in the language of the document. */
import { ENGLISH } from "./strings/english.js";
import { RUSSIAN } from "./strings/russian.js";

/**
 * Use a language for all texts from now on.
 * @param {string} language "" for the browser's
 */
export function useLanguage(language) {
  document.documentElement.lang = (language || navigator.language).startsWith("ru") ? "ru" : "en";
  translatePage();
}

/**
 * @param {string} key
 * @param {Record<string, string | number>} values
 */
export function t(key, values = {}) {
  const texts = document.documentElement.lang === "ru" ? RUSSIAN : ENGLISH;
  const text = texts[/** @type {keyof typeof ENGLISH} */ (key)] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/** Put the texts into the elements that name them: data-t, data-t-label and data-t-placeholder. */
export function translatePage() {
  for (const element of document.querySelectorAll("[data-t]")) {
    element.textContent = t(/** @type {HTMLElement} */ (element).dataset.t ?? "");
  }
  for (const element of document.querySelectorAll("[data-t-label]")) {
    const label = t(element.getAttribute("data-t-label") ?? "");
    element.setAttribute("aria-label", label);
    if (element.matches("button, a")) element.setAttribute("title", label);
  }
  for (const element of document.querySelectorAll("[data-t-placeholder]")) {
    const text = t(element.getAttribute("data-t-placeholder") ?? "");
    element.setAttribute(element.matches("input") ? "placeholder" : "data-placeholder", text);
  }
}

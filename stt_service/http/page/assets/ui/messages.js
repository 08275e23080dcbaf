// @ts-check
/** Messages of the recording in the language of the page. */
import { sanitizeTranscript } from "../sheet/graphemes.js";
import { t } from "../strings.js";

/**
 * A sentence for the user: that of a known kind, else the message itself, such as one of the server.
 * @param {{kind?: string, message: string, values?: Record<string, string | number>}} message
 */
export function inWords({ kind, message, values = {} }) {
  const key = `message.${kind}`;
  const text = t(key, { ...values, message });
  return sanitizeTranscript(text === key ? message : text);
}

/**
 * A sentence for the user about an error; what only the browser knows follows in its words.
 * @param {unknown} error
 */
export function errorInWords(error) {
  const { kind, message = String(error) } = /** @type {{kind?: string, message?: string}} */ (error);
  if (kind === "insecure") return t("insecure");
  if (kind === "unsupported") return `${t("error.unsupported")} (${sanitizeTranscript(message)})`;
  const text = t(`error.${kind}`);
  return text === `error.${kind}` ? inWords({ kind, message }) : text;
}

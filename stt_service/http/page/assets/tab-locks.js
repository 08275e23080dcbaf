// @ts-check
/**
 * Locks where the browser has none: `navigator.locks` needs a secure connection.
 *
 * A tab notes its locks in localStorage. A crashed tab leaves its notes there, so what is noted is asked for: tabs answer
 * with the names of their locks. A tab that the browser has suspended does not answer.
 */
import { local } from "./storage.js";

const NOTE_KEY = "stt-lock:"; // in localStorage
const ANSWER_MS = 500; // for tabs in the background, which are slower

const channel = new BroadcastChannel("stt-locks");
/** @type {Set<string>} */ const own = new Set();

channel.addEventListener("message", ({ data }) => data.isQuestion && channel.postMessage({ held: [...own] }));
addEventListener("pagehide", () => own.forEach((name) => local.remove(NOTE_KEY + name)));
addEventListener("pageshow", () => own.forEach((name) => local.set(NOTE_KEY + name, ""))); // the page was only hidden

/**
 * Hold a lock; return what releases it, or null if this or another tab has it.
 * @param {string} name
 */
export async function hold(name) {
  if (own.has(name) || (await heldByOthers([name])).has(name)) return null;
  own.add(name);
  local.set(NOTE_KEY + name, "");
  return () => {
    own.delete(name);
    local.remove(NOTE_KEY + name);
  };
}

/** The names of the locks that this and other tabs hold. */
export async function held() {
  const keys = local.keys().filter((key) => key.startsWith(NOTE_KEY));
  const others = await heldByOthers(keys.map((key) => key.slice(NOTE_KEY.length)));
  return new Set([...own, ...others]);
}

/**
 * Return the names of the locks of other tabs, if one of these names is noted.
 * @param {string[]} names
 */
async function heldByOthers(names) {
  /** @type {Set<string>} */ const found = new Set();
  if (!names.some((name) => !own.has(name) && local.get(NOTE_KEY + name) !== null)) return found;
  const onMessage = (/** @type {MessageEvent} */ { data }) =>
    data.held?.forEach((/** @type {string} */ name) => found.add(name));
  channel.addEventListener("message", onMessage);
  channel.postMessage({ isQuestion: true });
  await new Promise((resolve) => setTimeout(resolve, ANSWER_MS));
  channel.removeEventListener("message", onMessage);
  return found;
}

// @ts-check
/** The keys of shortcuts, in each keyboard layout. */

const OTHER_SCRIPT = /^(?!\p{Script=Latin})[\p{L}\p{M}]/u;
export const isMac = /Mac|iPhone|iPad/.test(navigator.platform);
export const commandKey = isMac ? "⌘" : "Ctrl";
export const optionKey = isMac ? "⌥" : "Alt";
const LETTER_CODE = /^Key([A-Z])$/;

/**
 * The key in lower case. For a layout without Latin letters, such as the Russian one, it is the Latin letter that a US
 * keyboard has at the place of the key: Ctrl+Z is the same key in both. Latin layouts such as Dvorak have their letters.
 * @param {KeyboardEvent} event
 */
export function shortcutKey({ key, code }) {
  const letter = OTHER_SCRIPT.test(key) ? LETTER_CODE.exec(code)?.[1] : null;
  return (letter ?? key).toLowerCase();
}

/**
 * Whether the key of commands is held: ⌘ on a Mac, where Ctrl types.
 * @param {KeyboardEvent} event
 */
export const hasCommandKey = ({ metaKey, ctrlKey }) => (isMac ? metaKey : ctrlKey);

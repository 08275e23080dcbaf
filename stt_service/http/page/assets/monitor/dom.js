/** Elements with text: strings become text nodes, so text of the server is never parsed as markup. */

export const OPERATION = "data-operation"; // attribute of a button that needs the server
const BUSY = "data-busy";
const UNAVAILABLE = "data-unavailable";
const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} name
 * @param {Record<string, string | boolean>} attributes `true` sets an attribute without a value, `false` omits it
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function create(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** @returns {SVGElement} an element of a chart */
export function createSvg(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

/** Sets the text of a node, if it differs: a screen reader repeats text that is set again. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @returns {HTMLElement} a button that calls `action` and is disabled until its promise settles */
export function button(text, action, attributes = {}) {
  const created = create("button", { type: "button", class: "button", [OPERATION]: true, ...attributes }, text);
  created.addEventListener("click", async () => {
    disable(created, BUSY, true);
    try {
      await action();
    } finally {
      disable(created, BUSY, false);
    }
  });
  return created;
}

/** Disables the buttons of operations on the server while it does not answer. @param {boolean} isAvailable */
export function setAvailable(isAvailable) {
  for (const each of document.querySelectorAll(`[${OPERATION}]`)) disable(each, UNAVAILABLE, !isAvailable);
}

/** Sets or removes a reason for which a button is disabled. It keeps the focus, which `disabled` would lose. */
function disable(target, reason, isDisabled) {
  target.toggleAttribute(reason, isDisabled);
  if (target.hasAttribute(BUSY) || target.hasAttribute(UNAVAILABLE)) target.setAttribute("aria-disabled", "true");
  else target.removeAttribute("aria-disabled");
}

/** Ignores clicks on disabled buttons, also those by which the Enter key submits a form. */
export function ignoreDisabledButtons() {
  const ignore = (event) => {
    if (!event.target.closest('button[aria-disabled="true"]')) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  };
  document.addEventListener("click", ignore, { capture: true });
}

function filled(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

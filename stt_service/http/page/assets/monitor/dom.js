/** Elements with text: strings become text nodes, so text of the server is never parsed as markup. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} name
 * @param {Record<string, string | boolean>} attributes `true` sets an attribute without a value, `false` omits it
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** @returns {SVGElement} an element of a chart */
export function svgElement(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

/** @returns {HTMLElement} the element of the page with this id */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no element with the id ${id}.`);
  return found;
}

/** Sets the text of a node, if it differs: a screen reader repeats text that is set again. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @returns {HTMLElement} a table in a region that scrolls by keyboard */
export function scrollable(label, table) {
  return element("div", { class: "scroll", role: "region", "aria-label": label, tabindex: "0" }, table);
}

/** @returns {HTMLElement} a button that calls `action` and is disabled until its promise settles */
export function button(text, action, attributes = {}) {
  const made = element("button", { type: "button", class: "button", ...attributes }, text);
  made.addEventListener("click", async () => {
    if (made.getAttribute("aria-disabled") === "true") return;
    made.setAttribute("aria-disabled", "true"); // keeps the focus, which `disabled` would lose
    try {
      await action();
    } finally {
      made.removeAttribute("aria-disabled");
    }
  });
  return made;
}

function filled(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

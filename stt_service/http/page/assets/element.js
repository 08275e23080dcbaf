// @ts-check
/**
 * The element of the page with the id.
 * @param {string} id
 */
export function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

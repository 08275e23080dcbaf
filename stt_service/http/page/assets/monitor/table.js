/** A table in a region that scrolls by keyboard. On a narrow screen, a row is a list of cells with their column names. */

import { create } from "./dom.js";

export class Table {
  /**
   * @param {string} label
   * @param {[name: string, className?: string][]} columns the first one has the row headers
   */
  constructor(label, columns) {
    this.columns = columns;
    // Explicit roles: a browser may ignore those of a table that is displayed as a list.
    this.body = create("tbody", { role: "rowgroup" });
    const headers = columns.map(([name, className = false]) =>
      create("th", { class: className, scope: "col", role: "columnheader" }, name),
    );
    const head = create("thead", { role: "rowgroup" }, create("tr", { role: "row" }, ...headers));
    const table = create("table", { role: "table" }, head, this.body);
    this.root = create("div", { class: "scroll", role: "region", "aria-label": label, tabindex: "0" }, table);
  }

  /** @param {...(Node | string)} cells @returns {HTMLElement} a row, which is not in the table yet */
  row(...cells) {
    return create("tr", { role: "row" }, ...cells.map((content, index) => this.#cell(content, index)));
  }

  #cell(content, index) {
    const [name, className = false] = this.columns[index];
    const attributes = { class: className, "data-column": name };
    if (index === 0) return create("th", { ...attributes, scope: "row", role: "rowheader" }, content);
    return create("td", { ...attributes, role: "cell" }, content);
  }
}

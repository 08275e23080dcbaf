/** The form of the settings: typed inputs with ranges, when a change takes effect, and errors at the field. */

import { element } from "../element.js";
import { create, OPERATION, setText } from "./dom.js";
import { ControlError } from "./api.js";
import { count } from "./format.js";
import { Table } from "./table.js";

const GROUPS = [
  ["SCOPE_IMMEDIATE", "Take effect immediately"],
  ["SCOPE_STREAM", "Defaults of new streams; a client can set its own value"],
  ["SCOPE_NEW_STREAMS", "Take effect for new streams"],
];
const RESTART = "SCOPE_RESTART";
const NUMERIC = new Set(["PARAMETER_TYPE_INTEGER", "PARAMETER_TYPE_NUMBER"]);

export class Settings {
  /**
   * @param {import("./operator.js").Operator} operator
   * @param {import("./api.js").ControlApi} api
   */
  constructor(operator, api) {
    this.operator = operator;
    this.api = api;
    this.fields = new Map();
    this.saves = 0; // started and completed
  }

  /** Shows values that were changed elsewhere; fields that are being edited keep their content. */
  async refresh() {
    const { saves } = this;
    const { parameters } = await this.api.get("/settings");
    if (saves !== this.saves) return; // the answer may be older than what was saved
    for (const parameter of parameters) this.fields.get(parameter.name)?.refresh(parameter);
  }

  /** Shows the parameters of a GetConfigResponse; changes that are not saved are lost. */
  show(parameters) {
    this.fields = new Map(parameters.filter(isChangeable).map((each) => [each.name, new Field(each)]));
    const groups = GROUPS.map(([scope, title]) => {
      const members = [...this.fields.values()].filter((field) => field.parameter.scope === scope);
      return create("fieldset", {}, create("legend", {}, title), ...members.map((field) => field.root));
    });
    const save = create("button", { type: "submit", class: "button primary", [OPERATION]: true }, "Save changes");
    const discard = create("button", { type: "button", class: "button" }, "Discard changes");
    discard.addEventListener("click", () => this.#discard());
    const form = create("form", { novalidate: true }, ...groups, create("div", { class: "actions" }, save, discard));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#save();
    });
    element("settings").replaceChildren(form, restartTable(parameters.filter((each) => !isChangeable(each))));
  }

  /** @returns {boolean} whether a field was edited and not saved */
  get hasChanges() {
    return [...this.fields.values()].some((field) => field.isChanged);
  }

  #discard() {
    for (const field of this.fields.values()) field.reset();
    this.operator.announce("Changes discarded.");
  }

  async #save() {
    const changed = [...this.fields.values()].filter((field) => field.isChanged);
    for (const field of this.fields.values()) field.showError("");
    const malformed = changed.filter((field) => field.input.validity.badInput);
    for (const field of malformed) field.showError(`Invalid ${field.parameter.name}: must be a number.`);
    if (malformed.length) return malformed[0].input.focus();
    if (!changed.length) return this.operator.announce("No setting was changed.");
    this.saves += 1;
    try {
      const values = Object.fromEntries(changed.map((field) => [field.parameter.name, field.value]));
      const { parameters } = await this.api.patch("/settings", { values });
      for (const parameter of parameters) this.fields.get(parameter.name)?.update(parameter);
      this.operator.announce(`Saved: ${changed.map((field) => field.parameter.name).join(", ")}.`);
    } catch (error) {
      this.#showErrors(error);
    } finally {
      this.saves += 1;
    }
  }

  #showErrors(error) {
    const invalid = Object.entries(error.fields ?? {}).filter(([name]) => this.fields.has(name));
    if (!(error instanceof ControlError) || !invalid.length) return this.operator.report(error);
    for (const [name, message] of invalid) this.fields.get(name).showError(message);
    this.fields.get(invalid[0][0]).input.focus();
    this.operator.announce(`Nothing was changed: ${count(invalid.length, "invalid value")}.`);
  }
}

class Field {
  constructor(parameter) {
    const id = `setting-${parameter.name}`;
    this.input = inputOf(parameter, id);
    this.hint = create("span", { id: `${id}-hint`, class: "hint" }, hintOf(parameter));
    this.error = create("span", { id: `${id}-error`, class: "error" });
    const unit = parameter.unit ? ` (${parameter.unit})` : "";
    const label = create("label", { for: id }, parameter.name + unit);
    this.root = create("div", { class: "field" }, label, this.input, this.hint, this.error);
    if (this.input.getAttribute("list")) this.root.append(datalist(parameter, id));
    this.input.addEventListener("input", () => this.#mark());
    this.update(parameter);
  }

  get value() {
    return this.input.type === "checkbox" ? String(this.input.checked) : this.input.value.trim();
  }

  get isChanged() {
    return this.value !== this.parameter.value || this.input.validity.badInput;
  }

  update(parameter) {
    this.parameter = parameter;
    this.reset();
  }

  /** Takes a value that was changed elsewhere; an edited input keeps its content, and is discarded to that value. */
  refresh(parameter) {
    if (parameter.value === this.parameter.value) return;
    if (!this.isChanged) return this.update(parameter);
    this.parameter = parameter;
    this.#mark();
  }

  reset() {
    if (this.input.type === "checkbox") this.input.checked = this.parameter.value === "true";
    else this.input.value = this.parameter.value;
    this.showError("");
    this.#mark();
  }

  showError(message) {
    setText(this.error, message);
    if (message) this.input.setAttribute("aria-invalid", "true");
    else this.input.removeAttribute("aria-invalid");
  }

  #mark() {
    this.root.classList.toggle("changed", this.isChanged);
  }
}

function isChangeable(parameter) {
  return parameter.scope !== RESTART;
}

function inputOf(parameter, id) {
  const common = { id, "aria-describedby": `${id}-hint ${id}-error`, autocomplete: "off" };
  if (parameter.type === "PARAMETER_TYPE_BOOLEAN") return create("input", { ...common, type: "checkbox" });
  if (parameter.type === "PARAMETER_TYPE_CHOICE") {
    return create("select", common, ...parameter.choices.map((choice) => create("option", { value: choice }, choice)));
  }
  if (NUMERIC.has(parameter.type) && parameter.choices.length) {
    return create("input", { ...common, type: "text", list: `${id}-choices` });
  }
  if (NUMERIC.has(parameter.type)) return create("input", { ...common, type: "number", ...rangeOf(parameter) });
  const length = parameter.maxLength ? { maxlength: String(parameter.maxLength) } : {};
  return create("input", { ...common, type: "text", spellcheck: "false", ...length });
}

function rangeOf({ type, minimum, maximum }) {
  const step = type === "PARAMETER_TYPE_INTEGER" ? "1" : "any";
  return {
    step,
    ...(minimum === undefined ? {} : { min: String(minimum) }),
    ...(maximum === undefined ? {} : { max: String(maximum) }),
  };
}

function datalist(parameter, id) {
  const options = parameter.choices.map((choice) => create("option", { value: choice }));
  return create("datalist", { id: `${id}-choices` }, ...options);
}

function hintOf(parameter) {
  const isShort = parameter.type !== "PARAMETER_TYPE_CHOICE" && parameter.type !== "PARAMETER_TYPE_BOOLEAN";
  const values = isShort ? `${capitalized(parameter.allowedValues)}; default` : "Default";
  return `${parameter.description} ${values} ${parameter.defaultValue || "empty"}.`;
}

function capitalized(text) {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

function restartTable(parameters) {
  const table = new Table("Settings that need a restart", [["Setting"], ["Value", "wrap"], ["Meaning", "wrap"]]);
  table.body.append(...parameters.map(({ name, value, description }) => table.row(name, value || "–", description)));
  return create("details", {}, create("summary", {}, "Settings that need a restart"), table.root);
}

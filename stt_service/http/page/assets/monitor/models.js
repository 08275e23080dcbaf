/** The models of the server: list, load and unload. */

import { element } from "../element.js";
import { button, create, OPERATION } from "./dom.js";
import { word } from "./format.js";
import { Table } from "./table.js";

const ROLES = [
  ["ROLE_FINALS", "Finals"],
  ["ROLE_PARTIALS", "Partials"],
];
const COLUMNS = [["Model"], ["State", "wrap"], ["Used for"], ["Streams"], ["Computes in"], ["Actions", "row-actions"]];
const LOAD = "/models/load";
const UNLOAD = "/models/unload";
const PENDING = ["MODEL_STATE_LOADING", "MODEL_STATE_UNLOADING"];
const MAX_NAME = 200; // characters, as on the server

export class Models {
  /** @param {import("./operator.js").Operator} operator */
  constructor(operator) {
    this.operator = operator;
    this.shown = "";
    /** @type {{name: string, isLoad: boolean} | null} the last operation, until its result is announced */
    this.operation = null;
    this.table = new Table("List of models", COLUMNS);
    element("models").append(this.table.root, this.#form());
  }

  /** Shows the models of a ListModelsResponse, if they changed. */
  show(models) {
    this.#announceResult(models);
    const content = JSON.stringify(models);
    if (content === this.shown) return;
    this.shown = content;
    const focused = document.activeElement?.dataset.model;
    this.table.body.replaceChildren(...models.map((model) => this.#row(model)));
    if (focused)
      (this.table.body.querySelector(`[data-model="${CSS.escape(focused)}"]`) ?? element("models-heading")).focus();
  }

  #row(model) {
    const unload = () => this.#operate(`${model.name} is being unloaded.`, UNLOAD, { name: model.name });
    const isUsed = model.roles.length > 0 && model.state === "MODEL_STATE_LOADED";
    const action = isUsed
      ? "–"
      : button("Unload", unload, { "aria-label": `Unload ${model.name}`, "data-model": model.name });
    const state = word(model.state, "MODEL_STATE_") + (model.reason ? `: ${model.reason}` : "");
    const roles = ROLES.filter(([role]) => model.roles.includes(role)).map(([, name]) => name.toLowerCase());
    const language = model.multilingual || model.state !== "MODEL_STATE_LOADED" ? "" : " (English only)";
    const used = roles.join(", ") || "–";
    return this.table.row(model.name + language, state, used, String(model.streams), model.computeType || "–", action);
  }

  /** Announces how the last operation ended: until then, the page reports that it has started. */
  #announceResult(models) {
    if (!this.operation) return;
    const { name, isLoad } = this.operation;
    const model = models.find((each) => each.name === name);
    if (PENDING.includes(model?.state)) return;
    this.operation = null;
    this.operator.announce(resultOf(name, isLoad, model));
  }

  async #operate(announcement, path, message) {
    const response = await this.operator.perform(announcement, path, message);
    if (response) this.operation = { name: response.model.name, isLoad: path === LOAD };
  }

  #form() {
    const name = create("input", {
      id: "model-name",
      required: true,
      maxlength: String(MAX_NAME),
      spellcheck: "false",
      "aria-describedby": "model-hint",
    });
    const boxes = ROLES.map(([role]) => create("input", { type: "checkbox", value: role, id: `model-${role}` }));
    boxes[0].checked = true;
    const labels = ROLES.map(([role, text], index) =>
      create("label", { for: `model-${role}`, class: "check" }, boxes[index], text),
    );
    const form = create(
      "form",
      { class: "inline-form" },
      create("label", { for: "model-name" }, "Load a model for new streams"),
      name,
      create("fieldset", {}, create("legend", {}, "Use it for"), ...labels),
      create("button", { type: "submit", class: "button", [OPERATION]: true }, "Load"),
      create(
        "p",
        { id: "model-hint", class: "hint" },
        "A size, a hub name or a folder of the server. It is downloaded if necessary and tested first; open streams keep their models.",
      ),
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const roles = boxes.filter((box) => box.checked).map((box) => box.value);
      await this.#operate(`${name.value} is being loaded.`, LOAD, { name: name.value, roles });
    });
    return form;
  }
}

/** @returns {string} how the load or unload of a model ended; `model` is undefined if it is not listed */
function resultOf(name, isLoad, model) {
  if (!model) return isLoad ? `The load of ${name} was canceled.` : `${name} is unloaded.`;
  if (model.state === "MODEL_STATE_FAILED") return `Loading ${name} failed: ${model.reason}`;
  return isLoad ? `${name} is loaded.` : `${name} stays loaded.`; // another operator loads it again
}

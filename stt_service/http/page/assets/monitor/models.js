/** The models of the server: list, load and unload. */

import { button, byId, element, scrollable } from "./dom.js";
import { word } from "./format.js";

const ROLES = [
  ["ROLE_FINALS", "Finals"],
  ["ROLE_PARTIALS", "Partials"],
];
const MAX_NAME = 200; // characters, as on the server

export class Models {
  /** @param {import("./operator.js").Operator} operator */
  constructor(operator) {
    this.operator = operator;
    this.shown = "";
    this.body = element("tbody");
    const heads = ["Model", "State", "Used for", "Streams", "Computes in", "Actions"];
    const row = element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)));
    byId("models").append(
      scrollable("List of models", element("table", {}, element("thead", {}, row), this.body)),
      this.#form(),
    );
  }

  /** Shows the models of a ListModelsResponse, if they changed. */
  show(models) {
    const content = JSON.stringify(models);
    if (content === this.shown) return;
    this.shown = content;
    const focused = document.activeElement?.dataset.model;
    this.body.replaceChildren(...models.map((model) => this.#row(model)));
    if (focused) (this.body.querySelector(`[data-model="${CSS.escape(focused)}"]`) ?? byId("models-heading")).focus();
  }

  #row(model) {
    const unload = () => this.operator.perform(`${model.name} is being unloaded.`, "/models/unload", { name: model.name });
    const isUsed = model.roles.length > 0 && model.state === "MODEL_STATE_LOADED";
    const action = isUsed ? "–" : button("Unload", unload, { "aria-label": `Unload ${model.name}`, "data-model": model.name });
    const state = word(model.state, "MODEL_STATE_") + (model.reason ? `: ${model.reason}` : "");
    const roles = ROLES.filter(([role]) => model.roles.includes(role)).map(([, name]) => name.toLowerCase());
    const language = model.multilingual || model.state !== "MODEL_STATE_LOADED" ? "" : " (English only)";
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, model.name + language),
      element("td", { class: "wrap" }, state),
      element("td", {}, roles.join(", ") || "–"),
      element("td", {}, String(model.streams)),
      element("td", {}, model.computeType || "–"),
      element("td", { class: "row-actions" }, action),
    );
  }

  #form() {
    const name = element("input", { id: "model-name", required: true, maxlength: String(MAX_NAME), spellcheck: "false", "aria-describedby": "model-hint" });
    const boxes = ROLES.map(([role]) => element("input", { type: "checkbox", value: role, id: `model-${role}` }));
    boxes[0].checked = true;
    const labels = ROLES.map(([role, text], index) => element("label", { for: `model-${role}`, class: "check" }, boxes[index], text));
    const form = element(
      "form",
      { class: "inline-form" },
      element("label", { for: "model-name" }, "Load a model for new streams"),
      name,
      element("fieldset", {}, element("legend", {}, "Use it for"), ...labels),
      element("button", { type: "submit", class: "button" }, "Load"),
      element("p", { id: "model-hint", class: "hint" }, "A size, a hub name or a folder of the server. It is downloaded if necessary and tested first; open streams keep their models."),
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const roles = boxes.filter((box) => box.checked).map((box) => box.value);
      await this.operator.perform(`${name.value} is being loaded.`, "/models/load", { name: name.value, roles });
    });
    return form;
  }
}

/** The summary of the server's status, and the operations on the whole server. */

import { element } from "../element.js";
import { button, create, setText } from "./dom.js";
import { age, bytes, count, latency, number, percent, seconds, word } from "./format.js";

const STATE_WORDS = { loading: "Loading models", serving: "Serving", draining: "Draining" };

export class Health {
  /** @param {import("./operator.js").Operator} operator */
  constructor(operator) {
    this.operator = operator;
    this.values = new Map();
    this.drain = button("Drain…", () => this.#drain());
    this.cancelDrain = button("Cancel drain", () => operator.perform("Drain canceled.", "/drain/cancel"));
    element("server-actions").append(this.drain, this.cancelDrain);
  }

  /** Shows a `Status` of control.proto. */
  show(status) {
    const state = word(status.state, "STATE_");
    element("state").dataset.state = state;
    setText(element("state"), STATE_WORDS[state] ?? state);
    this.drain.hidden = state !== "serving";
    this.cancelDrain.hidden = state !== "draining";
    for (const [name, value] of facts(status)) this.#set(name, value);
  }

  #set(name, value) {
    let shown = this.values.get(name);
    if (!shown) {
      shown = create("dd");
      this.values.set(name, shown);
      element("health").append(create("div", {}, create("dt", {}, name), shown));
    }
    shown.parentElement.hidden = value === "";
    setText(shown, value);
  }

  async #drain() {
    const question = "Drain the server? New streams are rejected, and open ones end after their utterance.";
    if (await this.operator.confirm(question, "Drain")) await this.operator.perform("Drain started.", "/drain");
  }
}

/** @returns {[string, string][]} name and value of each fact; an empty value is not shown */
function facts({ load = {}, resources = {}, counters = {}, selfTest, device, ...status }) {
  const waiting = [load.finalsWaiting, load.speculativeFinalsWaiting, load.partialsWaiting].map((value) => value ?? 0);
  return [
    ["Version", `${status.version}, up ${age(seconds(status.uptime))}`],
    ["Device", device ? `${device.active}${device.reason ? ` (not ${device.requested}: ${device.reason})` : ""}` : ""],
    ["Models", status.model ? `${status.model}; partials ${status.partialModel}` : ""],
    ["Streams", device ? `${load.streams ?? 0} of ${load.maxStreams ?? 0}` : ""],
    ["Queue", `finals ${waiting[0]}, speculative ${waiting[1]}, partials ${waiting[2]}`],
    ["Batches", device ? `${load.batchesRunning ?? 0} of ${load.maxBatches ?? 0} running` : ""],
    ["Oldest wait", `final ${wait(load.oldestFinalWait)}, partial ${wait(load.oldestPartialWait)}`],
    ["CPU", `${number(resources.cpuCoresUsed ?? 0)} of ${resources.cores} cores`],
    ["Memory", `${bytes(Number(resources.memoryBytes))} of ${bytes(Number(resources.machineMemoryBytes))}`],
    ["GPU", (resources.gpus ?? []).map(gpuText).join("; ")],
    ["Since start", totals(counters)],
    ["Audio", age(seconds(counters.audio))],
    [
      "Self-test",
      selfTest
        ? `real-time factor ${number(selfTest.realTimeFactor)}, about ${count(selfTest.estimatedStreams, "stream")}`
        : "",
    ],
  ];
}

/** @returns {string} the duration; a dash if nothing waits */
function wait(duration) {
  return latency(seconds(duration) || Number.NaN);
}

function totals({ streams, utterances, words, rejectedStreams }) {
  const texts = [count(streams, "stream"), count(utterances, "utterance"), count(words, "word")];
  return `${texts.join(", ")}, ${number(Number(rejectedStreams))} rejected`;
}

function gpuText(gpu) {
  const load = gpu.utilization === undefined ? "" : `, ${percent(gpu.utilization)} busy`;
  return `${gpu.name}, ${bytes(Number(gpu.memoryUsedBytes))} of ${bytes(Number(gpu.memoryBytes))}${load}`;
}

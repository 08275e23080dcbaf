/** The monitor page: connects, shows what the server reports, and stops while the page is hidden. */

import { element } from "../element.js";
import { ControlApi, ControlError } from "./api.js";
import { ignoreDisabledButtons, setAvailable, setText } from "./dom.js";
import { clock } from "./format.js";
import { Health } from "./health.js";
import { Charts, History } from "./history.js";
import { Models } from "./models.js";
import { Operator } from "./operator.js";
import { Sessions } from "./sessions.js";
import { Settings } from "./settings.js";

document.documentElement.lang = "en"; // theme.js sets the language of the dictation page

const LIST_INTERVAL_MS = 2000; // of sessions and models
const HISTORY_INTERVAL_MS = 5000; // of the server's samples
const SETTINGS_INTERVAL_MS = 5000; // others may change them
const RETRY_MS = [1000, 2000, 5000, 10_000];

const api = new ControlApi();
const history = new History();
const operator = new Operator(api, refreshLists, askForToken);
const charts = new Charts(element("charts"));
const health = new Health(operator);
const sessions = new Sessions(operator);
const models = new Models(operator);
const settings = new Settings(operator, api);
let connection = null; // its AbortController
let losses = 0; // of the connection
let listsStarted = false; // since the last `connect`
let settingsShown = false;
let lastState = "";

/** Shows sessions and models, and enables the operations unless the server was lost while the lists were read. */
async function refreshLists() {
  const lossesBefore = losses;
  sessions.show((await api.get("/sessions")).sessions);
  if (lastState !== "STATE_LOADING") models.show((await api.get("/models")).models);
  if (losses === lossesBefore) setAvailable(true);
}

async function refreshHistory() {
  const { history: added } = await api.get(`/history?after_s=${history.last}`);
  history.append(added);
  charts.draw(history);
}

/** Repeats a task until the signal aborts; the status stream reports that the server is lost. */
async function repeat(task, interval_ms, signal) {
  while (!signal.aborted) {
    try {
      await task();
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      if (error.status === 401 && !signal.aborted) askForToken(error);
    }
    await pause(interval_ms, signal);
  }
}

async function watch(signal) {
  for (let failures = 0; !signal.aborted;) {
    try {
      for await (const status of api.watchStatus(signal)) {
        failures = 0;
        await showStatus(status, signal);
      }
      throw new ControlError(0, "The server closed the connection.");
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ControlError)) throw error;
      if (error.status === 401) return askForToken(error);
      showLost(error);
    }
    await pause(RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)], signal);
  }
}

async function showStatus(status, signal) {
  if (!listsStarted) startLists(signal);
  element("connection").hidden = true;
  health.show(status);
  if (lastState && status.state !== lastState) operator.announce(`Server state: ${element("state").textContent}.`);
  lastState = status.state;
  if (!settingsShown) {
    settingsShown = true;
    settings.show((await api.get("/settings")).parameters);
  }
}

function startLists(signal) {
  listsStarted = true;
  element("dashboard").hidden = false;
  element("forget-token").hidden = !api.token;
  repeat(refreshLists, LIST_INTERVAL_MS, signal);
  repeat(refreshHistory, HISTORY_INTERVAL_MS, signal);
  repeat(() => settings.refresh(), SETTINGS_INTERVAL_MS, signal);
}

function showLost(error) {
  losses += 1;
  element("state").dataset.state = "unknown";
  setText(element("state"), "Not connected");
  setAvailable(false);
  const since = clock(Date.now() / 1000);
  if (element("connection").hidden)
    setText(element("connection"), `${error.message} Trying again since ${since}. The values below are older.`);
  element("connection").hidden = false;
  settingsShown = settings.hasChanges; // else shown again, as another server may have other settings
}

/** Shows the form for the token; after a wrong one, with the reason. */
function askForToken(error) {
  const wasWrong = api.token !== "";
  api.token = "";
  disconnect();
  settingsShown = false;
  element("dashboard").hidden = true;
  element("forget-token").hidden = true;
  element("token-section").hidden = false;
  element("state").dataset.state = "unknown";
  setText(element("state"), "Token required");
  setText(element("token-error"), wasWrong && error ? "This token is not valid. Use one of CONTROL_TOKENS_FILE." : "");
  element("token").focus();
}

function connect() {
  disconnect();
  connection = new AbortController();
  listsStarted = false;
  settingsShown = settings.hasChanges;
  watch(connection.signal);
}

function disconnect() {
  connection?.abort();
  connection = null;
}

function pause(duration_ms, signal) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, duration_ms);
    signal.addEventListener("abort", end);
  });
}

element("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  api.token = element("token").value.trim();
  element("token").value = "";
  element("token-section").hidden = true;
  connect();
});
element("forget-token").addEventListener("click", () => askForToken());
document.addEventListener("visibilitychange", () => {
  if (!element("token-section").hidden) return;
  if (document.hidden) disconnect();
  else connect();
});
ignoreDisabledButtons();
connect();

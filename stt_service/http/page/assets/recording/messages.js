/**
 * The messages of `/api/stream`: proto3 JSON of protos/stt/v1/stt.proto, one per text frame. Pure.
 *
 * proto3 JSON omits fields with default values and writes int64 as strings. Texts are returned as the server sent them,
 * control characters included: a page shows them by `textContent` only.
 */

import { ServerFailure, StreamError } from "./retry.js";

export const SUBPROTOCOL = "stt.v1.json";
const TOKEN_SUBPROTOCOL = "stt-token.";
const MAX_MESSAGE_CHARACTERS = 1000; // of an error; a broken server may send megabytes

/**
 * @typedef {{text: string, startMs: number, endMs: number, confidence: number}} Word
 * @typedef {{receivedMs: number, committedMs: number} & (
 *   {type: "progress"} | {type: "started", model: string} | {type: "settings"} |
 *   {type: "speech", utterance: number, startMs: number} |
 *   {type: "partial", utterance: number, stable: string, unstable: string, startMs: number} |
 *   {type: "final", utterance: number, text: string, startMs: number, endMs: number, language: string,
 *    confidence: number, words: Word[], endpoint: string} |
 *   {type: "suppressed", utterance: number, startMs: number, endMs: number, reason: string, endpoint: string} |
 *   {type: "notice", reason: string, message: string} |
 *   {type: "failure", error: StreamError})} Event
 */

/**
 * Return the subprotocols to offer. A browser cannot send headers, and a token must not be in the URL.
 * @param {string} token empty without one
 */
export function subprotocols(token) {
  if (!token) return [SUBPROTOCOL];
  const binary = String.fromCharCode(...new TextEncoder().encode(token));
  const encoded = btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return [SUBPROTOCOL, TOKEN_SUBPROTOCOL + encoded];
}

/**
 * Return the address of the stream endpoint.
 * @param {string} baseUrl of the page's server
 */
export function streamUrl(baseUrl) {
  const url = new URL("/api/stream", baseUrl);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

/**
 * Return the event of a text frame.
 * @param {string} text
 * @returns {Event}
 * @throws {StreamError} the server sent something else
 */
export function parseResponse(text) {
  let response;
  try {
    response = JSON.parse(text);
  } catch {
    throw new StreamError("The server sent a message that is not JSON.", "INTERNAL");
  }
  const positions = { receivedMs: integer(response.receivedMs), committedMs: integer(response.committedMs) };
  return { ...positions, ...eventOf(response) };
}

function eventOf(response) {
  for (const [field, convert] of Object.entries(CONVERTERS)) {
    if (response[field] !== undefined) return convert(response[field]);
  }
  return { type: "progress" }; // only positions, or an event that is newer than this page
}

const CONVERTERS = {
  started: (event) => ({ type: "started", model: string(event.model) }),
  speechStarted: (event) => ({
    type: "speech",
    utterance: integer(event.utterance),
    startMs: integer(event.startMs),
  }),
  partial: (event) => ({
    type: "partial",
    utterance: integer(event.utterance),
    stable: string(event.stable),
    unstable: string(event.unstable),
    startMs: integer(event.startMs),
  }),
  final: (event) => ({
    type: "final",
    utterance: integer(event.utterance),
    text: string(event.text),
    startMs: integer(event.startMs),
    endMs: integer(event.endMs),
    language: string(event.language),
    confidence: number(event.confidence),
    words: (event.words ?? []).map(wordOf),
    endpoint: string(event.endpoint),
  }),
  suppressed: (event) => ({
    type: "suppressed",
    utterance: integer(event.utterance),
    startMs: integer(event.startMs),
    endMs: integer(event.endMs),
    reason: string(event.reason),
    endpoint: string(event.endpoint),
  }),
  settings: () => ({ type: "settings" }),
  notice: (event) => ({ type: "notice", reason: string(event.reason), message: string(event.message) }),
  failure: (event) => ({ type: "failure", error: failureOf(event) }),
};

/** @returns {Word} */
function wordOf(word) {
  return {
    text: string(word.text),
    startMs: integer(word.startMs),
    endMs: integer(word.endMs),
    confidence: number(word.confidence),
  };
}

function failureOf(failure) {
  const message = string(failure.message).slice(0, MAX_MESSAGE_CHARACTERS);
  const status = string(failure.reason) || "UNKNOWN";
  return new ServerFailure(message, status, secondsOf(failure.retryAfter), captionsKind(string(failure.field), status));
}

/** Return the kind of a failure of captions only; empty for others. */
function captionsKind(field, status) {
  if (field === "captions.name") return "captions-taken";
  if (!/^captions(\.|$)/.test(field)) return "";
  return status === "RESOURCE_EXHAUSTED" ? "captions-full" : "captions";
}

/** Return the seconds of a proto3 JSON duration such as "1.5s"; null without one. */
function secondsOf(duration) {
  const seconds = Number.parseFloat(duration);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds : null;
}

/** Return a position or number; 0 unless it is an integer from 0 to 2^53 - 1. */
function integer(value) {
  const result = Number(value ?? 0);
  return Number.isSafeInteger(result) && result >= 0 ? result : 0;
}

function number(value) {
  const result = Number(value ?? 0);
  return Number.isFinite(result) ? result : 0;
}

function string(value) {
  return typeof value === "string" ? value : "";
}

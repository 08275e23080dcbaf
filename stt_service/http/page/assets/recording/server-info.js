/**
 * Why a connection failed: a page sees neither the HTTP status of a rejected WebSocket nor a lost network.
 *
 * `GET /api/info` on another connection has the facts: whether the server answers, admits this token, and is ready.
 */

import { authorization } from "../authorization.js";
import { ServerFailure, StreamError } from "./retry.js";

const TIMEOUT_MS = 5000;

/**
 * Return whether the server answers.
 * @param {string} baseUrl
 */
export async function isReachable(baseUrl) {
  return (await fetchInfo(baseUrl, "")) !== null;
}

/**
 * Return why the server did not open a stream.
 * @param {string} baseUrl
 * @param {string} token
 * @returns {Promise<StreamError>}
 */
export async function rejection(baseUrl, token) {
  const response = await fetchInfo(baseUrl, token);
  if (!response) return new StreamError("The server is not reachable.", "UNAVAILABLE");
  const info = response.ok ? await response.json().catch(() => ({})) : {};
  if (info.tokensRequired && !info.authorized) {
    const message = token ? "The token is not valid for this server." : "This server requires a token.";
    return new StreamError(message, "UNAUTHENTICATED", null, token ? "token-invalid" : "token-required");
  }
  if (info.notReady) return new ServerFailure(info.notReady, "UNAVAILABLE");
  return new StreamError("The server rejected the connection.", "UNAVAILABLE");
}

/** @returns {Promise<Response | null>} null: the server does not answer */
async function fetchInfo(baseUrl, token) {
  const options = { headers: authorization(token), cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) };
  return fetch(new URL("/api/info", baseUrl), options).catch(() => null);
}

// @ts-check

/**
 * Return the header with a token. A header has only Latin characters, so other tokens are not sent: the server then
 * reports that a token is missing, where `fetch` would throw as if the server were unreachable.
 * @param {string} token
 * @returns {Record<string, string>}
 */
export const authorization = (token) => (/^[!-~]+$/.test(token) ? { Authorization: `Bearer ${token}` } : {});

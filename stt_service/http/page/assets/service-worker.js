/**
 * Opens the dictation page while its server is down: the browser's copy of the page's files.
 *
 * Network first: a page that loads with a server is always the server's. Without an answer in NETWORK_TIMEOUT_MS, or
 * with a failure, the copy is used; a document from the copy gets all of its files from there. Without a copy, the answer
 * is awaited. A body may take any time: only the headers have a limit.
 *
 * The copy has the files of one version and is never changed: other files of the server change this script, and browsers
 * then install it with a copy of its own. At installation all files are copied: the page and everything that it refers
 * to, found by reading them, so that there is no list to maintain. Only the dictation page and its assets are copied,
 * never a response of an API.
 */

const VERSION = "@VERSION@"; // the server inserts a digest of all files
const CACHE = `stt-page-${VERSION}`;
const NETWORK_TIMEOUT_MS = 3000; // of the headers
const MAX_COPIED_CLIENTS = 50;
const MAX_FILES = 200; // of the page; the search for references is bounded
const ROOTS = ["/", "/assets/recording/dictation.js"]; // the second is loaded when it is first used
const ASSETS = /^\/(?:$|assets\/|manifest\.webmanifest$)/;
const READABLE = /\.(?:html|js|css|webmanifest)$|\/$/;
// Relative paths in quotes or parentheses that a document, module, style sheet or manifest refers to.
const REFERENCES = /(?:["'(])((?:\.{0,2}\/)?[\w./-]+\.(?:js|css|svg|png|ico|woff2|webmanifest))(?=["')])/g;

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  const isOurs = url.origin === self.location.origin && ASSETS.test(url.pathname);
  if (event.request.method === "GET" && isOurs) event.respondWith(respond(event));
});

/** @type {Set<string>} ids of the clients whose document came from the copy */
const copiedClients = new Set();

async function install() {
  try {
    await copyAll();
  } catch (error) {
    await caches.delete(CACHE); // the browser tries again when the page is opened the next time
    throw error;
  }
  await self.skipWaiting();
}

async function copyAll() {
  const cache = await caches.open(CACHE);
  const found = [...ROOTS];
  for (let index = 0; index < found.length && index < MAX_FILES; index += 1) {
    for (const path of await copy(cache, found[index])) {
      if (!found.includes(path)) found.push(path);
    }
  }
  const script = await fetch("/service-worker.js", { cache: "no-store" });
  if (!(await script.text()).includes(VERSION)) throw new Error("The files of the server changed while they were copied.");
}

async function activate() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name)));
  await self.clients.claim();
}

/** Copy a file; return the paths that it refers to. A reference that does not exist is a string that looks like one. */
async function copy(cache, path) {
  const response = await fetch(path, { cache: "no-cache" });
  if (response.status === 404) return [];
  if (!response.ok) throw new Error(`Cannot copy ${path}: the server answered with status ${response.status}.`);
  await cache.put(path, response.clone());
  if (!READABLE.test(path)) return [];
  const base = new URL(path, self.location.origin);
  const references = [...(await response.text()).matchAll(REFERENCES)].map(([, reference]) => new URL(reference, base));
  const own = references.filter(({ origin, pathname }) => origin === base.origin && ASSETS.test(pathname));
  return own.map(({ pathname }) => pathname);
}

/** Return the server's response; the copy if the server does not answer in time or fails. */
async function respond({ request, clientId, resultingClientId }) {
  const copy = await copyOf(request);
  if (!copy) return fetch(request);
  if (copiedClients.has(clientId)) return copy;
  const response = await Promise.race([fetch(request).catch(() => null), timeout()]);
  if (response && response.status < 500) return response;
  if (request.mode === "navigate") remember(resultingClientId);
  return copy;
}

/** @returns {Promise<Response | undefined>} undefined: there is none, or the browser forbids storage */
async function copyOf(request) {
  try {
    const cache = await caches.open(CACHE);
    return await cache.match(new URL(request.url).pathname, { ignoreVary: true }); // without a query
  } catch {
    return undefined;
  }
}

function timeout() {
  return new Promise((resolve) => setTimeout(() => resolve(null), NETWORK_TIMEOUT_MS));
}

function remember(client) {
  copiedClients.add(client);
  if (copiedClients.size > MAX_COPIED_CLIENTS) copiedClients.delete(copiedClients.values().next().value);
}

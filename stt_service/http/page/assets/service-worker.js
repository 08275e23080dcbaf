/**
 * Opens the dictation page while its server is down: the browser's copy of the page's files.
 *
 * Network first: a page that loads with a server is always the server's. Without an answer in NETWORK_TIMEOUT_MS, or
 * with a failure, the copy is used. Without a copy, the answer is awaited. A body may take any time: only the headers have
 * a limit.
 *
 * A page has files of one version, that of its document: it gets them from the copy of that version, which is kept until
 * the page is closed, also after another version is installed. Until the copy of the next version is installed, a
 * document of that version gets its files from the server. The source of each page is kept in a cache, as browsers stop
 * an idle worker.
 *
 * The copy has the files of one version and is never changed: other files of the server change this script, and browsers
 * then install it with a copy of its own. At installation all files are copied: the page and everything that it refers
 * to, found by reading them, so that there is no list to maintain. Only the dictation page and its assets are copied,
 * never a response of an API.
 */

const VERSION = "@VERSION@"; // the server inserts a digest of all files
const PREFIX = "stt-page-"; // of the names of the copies: other caches of the origin are left alone
const CACHE = `${PREFIX}${VERSION}`;
const SOURCES = "stt-sources"; // the name of the copy with the document's version, for the id of each client
const VERSION_HEADER = "Stt-Page-Version"; // of a document
const NETWORK_TIMEOUT_MS = 3000; // of the headers
const MAX_SOURCES = 50;
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
  if (!(await script.text()).includes(VERSION))
    throw new Error("The files of the server changed while they were copied.");
}

async function activate() {
  const clients = await self.clients.matchAll({ includeUncontrolled: true });
  const used = [CACHE, ...(await Promise.all(clients.map(({ id }) => claimSource(id))))];
  const copies = (await caches.keys()).filter((name) => name.startsWith(PREFIX));
  await Promise.all(copies.filter((name) => !used.includes(name)).map((name) => caches.delete(name)));
  await self.clients.claim();
}

/** Return the source of a client; a page that is not known was opened before the worker, which has its version. */
async function claimSource(client) {
  const source = await sourceOf(client);
  if (!source) await rememberSource(client, CACHE);
  return source;
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
  const isDocument = request.mode === "navigate";
  const source = isDocument ? "" : await sourceOf(clientId);
  const copy = await copyOf(request, source || CACHE);
  if (!copy) return fetch(request);
  if (source) return copy;
  const response = await Promise.race([fetch(request).catch(() => null), timeout()]);
  const isServed = response !== null && response.status < 500;
  const version = isServed ? response.headers.get(VERSION_HEADER) : VERSION;
  if (isDocument) await rememberSource(resultingClientId, `${PREFIX}${version}`);
  return isServed ? response : copy;
}

/** @returns {Promise<Response | undefined>} undefined: there is none, or the browser forbids storage */
async function copyOf(request, cacheName) {
  try {
    return await caches.match(new URL(request.url).pathname, { cacheName, ignoreVary: true }); // without a query
  } catch {
    return undefined;
  }
}

function timeout() {
  return new Promise((resolve) => setTimeout(() => resolve(null), NETWORK_TIMEOUT_MS));
}

/** @type {Map<string, Promise<string>>} by client: those asked for since the worker was started */
const knownSources = new Map();

/** @returns {Promise<string>} the copy with the version of a client's document; empty: not known */
function sourceOf(client) {
  return knownSources.get(client) ?? know(client, storedSource(client)); // each file of a page asks
}

function know(client, source) {
  knownSources.delete(client);
  knownSources.set(client, source);
  if (knownSources.size > MAX_SOURCES) knownSources.delete(knownSources.keys().next().value);
  return source;
}

async function storedSource(client) {
  try {
    const source = await caches.match(pathOf(client), { cacheName: SOURCES });
    return source ? await source.text() : "";
  } catch {
    return ""; // the browser forbids storage
  }
}

/** Keep the source of a client, and of the last MAX_SOURCES. */
async function rememberSource(client, source) {
  know(client, Promise.resolve(source));
  try {
    const cache = await caches.open(SOURCES);
    await cache.put(pathOf(client), new Response(source));
    const old = (await cache.keys()).slice(0, -MAX_SOURCES);
    await Promise.all(old.map((request) => cache.delete(request)));
  } catch {
    // The browser forbids storage, or it is full: then a page may get files of the server's version.
  }
}

function pathOf(client) {
  return `/sources/${client}`;
}

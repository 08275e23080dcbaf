/**
 * Opens the dictation page while its server is down: the browser's copy of the page's files.
 *
 * Network first: a page that loads with a server is always the server's, and refreshes the copy. Without an answer in
 * NETWORK_TIMEOUT_MS, the copy is used. At installation all files are copied: the page and everything that it refers
 * to, found by reading them, so that there is no list to maintain. Only the dictation page and its assets are copied,
 * never a response of an API.
 */

const CACHE = "stt-page-1"; // increase it when files of the old copy must not be used any more
const NETWORK_TIMEOUT_MS = 3000;
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
  if (event.request.method === "GET" && isOurs) event.respondWith(respond(event.request));
});

async function install() {
  const cache = await caches.open(CACHE);
  const found = [...ROOTS];
  for (let index = 0; index < found.length && index < MAX_FILES; index += 1) {
    for (const path of await copy(cache, found[index])) {
      if (!found.includes(path)) found.push(path);
    }
  }
  await self.skipWaiting();
}

async function activate() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name)));
  await self.clients.claim();
}

/** Copy a file; return the paths that it refers to. A reference that does not exist is a string that looks like one. */
async function copy(cache, path) {
  const response = await fetch(path, { cache: "no-cache" });
  if (!response.ok) return [];
  await cache.put(path, response.clone());
  if (!READABLE.test(path)) return [];
  const base = new URL(path, self.location.origin);
  const references = [...(await response.text()).matchAll(REFERENCES)].map(([, reference]) => new URL(reference, base));
  const own = references.filter(({ origin, pathname }) => origin === base.origin && ASSETS.test(pathname));
  return own.map(({ pathname }) => pathname);
}

/** Return the server's response; the copy if the server does not answer or fails. */
async function respond(request) {
  const cache = await caches.open(CACHE);
  const key = new URL(request.url).pathname; // without a query
  try {
    const response = await fetch(request, { signal: AbortSignal.timeout(NETWORK_TIMEOUT_MS) });
    if (response.ok) cache.put(key, response.clone()).catch(() => {}); // the storage is full: the old copy stays
    if (response.status < 500) return response;
  } catch {
    // no answer
  }
  return (await cache.match(key, { ignoreVary: true })) ?? Response.error();
}

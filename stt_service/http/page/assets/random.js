// @ts-check
/** 128 random bits in hexadecimal digits: an id or a key. `crypto.randomUUID` needs a secure context. */
export function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// @ts-check
/**
 * Text that the browser keeps, for pages that also work where it refuses storage or the storage is full: then a value is
 * valid until the page closes.
 */

class Area {
  #open;
  /** @type {Map<string, string>} */ #memory = new Map(); // what the browser refused to keep

  /** @param {() => Storage} open throws where the browser refuses storage */
  constructor(open) {
    this.#open = open;
  }

  /** @param {string} key */
  get(key) {
    return this.#memory.get(key) ?? this.#attempt((storage) => storage.getItem(key)) ?? null;
  }

  /**
   * Keep a value; return whether it is kept after the page has closed.
   * @param {string} key
   * @param {string} value
   */
  set(key, value) {
    this.#memory.set(key, value);
    const isKept = this.#attempt((storage) => (storage.setItem(key, value), true)) ?? false;
    if (isKept) this.#memory.delete(key);
    return isKept;
  }

  /** @param {string} key */
  remove(key) {
    this.#memory.delete(key);
    this.#attempt((storage) => storage.removeItem(key));
  }

  /** The keys that the browser keeps. */
  keys() {
    return this.#attempt((storage) => Object.keys(storage)) ?? [];
  }

  /**
   * @template T
   * @param {(storage: Storage) => T} access
   */
  #attempt(access) {
    try {
      return access(this.#open());
    } catch {
      return undefined;
    }
  }
}

export const local = new Area(() => localStorage);
export const session = new Area(() => sessionStorage); // of the tab

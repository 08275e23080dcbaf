// @ts-check
/**
 * An IndexedDB database of the page: a connection that is opened when it is needed, and again after it was lost.
 *
 * Browsers close connections of suspended pages, and a page closes its own when another one upgrades or deletes the
 * database. So a read or write that fails is tried once more over a new connection; what is requested must have the
 * same result when it is done twice. It is not tried again if the storage is full, or does not respond. While an opening
 * takes too long, reads and writes fail at once; they succeed after it has completed.
 */

const OPEN_TIMEOUT_MS = 3000; // an older page in another tab can block the database
const TIMEOUT_ERROR = "TimeoutError";
const FINAL_ERRORS = new Set(["QuotaExceededError", TIMEOUT_ERROR]); // another try would have the same result

/**
 * @typedef {(...stores: IDBObjectStore[]) => IDBRequest | IDBRequest[] | void} Requests
 * @typedef {"readonly" | "readwrite"} Mode
 */

export class Database {
  #name;
  #version;
  #upgrade;
  #timeoutMs;
  /** @type {Promise<IDBDatabase> | null} */ #opening = null;
  /** @type {IDBDatabase | null} */ #connection = null; // null: not open
  /** @type {() => void} a connection was opened, also later than `open` waits */ onOpen = () => {};

  /**
   * @param {string} name
   * @param {number} version
   * @param {(database: IDBDatabase) => void} upgrade creates the stores
   * @param {number} [timeoutMs] after which a transaction is aborted, as others can block it; no limit without it
   */
  constructor(name, version, upgrade, timeoutMs) {
    this.#name = name;
    this.#version = version;
    this.#upgrade = upgrade;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Open the database if it is not open.
   * @throws {Error} this browser has no storage or refuses it; TimeoutError: it does not respond
   */
  async open() {
    await this.#open();
  }

  /**
   * Return the result of the request, or those of several, of one transaction.
   * @param {string[]} stores
   * @param {Requests} requests
   * @returns {Promise<any>}
   * @throws {DOMException} TimeoutError
   */
  read(stores, requests) {
    return this.#run(stores, "readonly", requests);
  }

  /**
   * Resolve once the transaction is complete.
   * @param {string[]} stores
   * @param {Requests} requests
   * @returns {Promise<void>}
   * @throws {DOMException} QuotaExceededError: the storage is full; TimeoutError
   */
  async write(stores, requests) {
    await this.#run(stores, "readwrite", requests);
  }

  /**
   * @param {string[]} stores
   * @param {Mode} mode
   * @param {Requests} requests
   */
  async #run(stores, mode, requests) {
    const connection = await this.#open();
    try {
      return await this.#transact(connection, stores, mode, requests);
    } catch (error) {
      if (FINAL_ERRORS.has(/** @type {DOMException} */ (error).name)) throw error;
      this.#close(connection);
    }
    return this.#transact(await this.#open(), stores, mode, requests);
  }

  /**
   * @param {IDBDatabase} connection
   * @param {string[]} stores
   * @param {Mode} mode
   * @param {Requests} requests
   */
  #transact(connection, stores, mode, requests) {
    const transaction = connection.transaction(stores, mode);
    const result = resultsOf(transaction, stores, requests);
    return this.#timeoutMs ? withTimeout(result, this.#timeoutMs, () => transaction.abort()) : result;
  }

  /** @returns {Promise<IDBDatabase>} */
  #open() {
    if (this.#opening) return this.#opening;
    const opening = this.#connect();
    this.#opening = withTimeout(opening, OPEN_TIMEOUT_MS);
    opening.then(
      () => (this.#opening = opening),
      () => (this.#opening = null), // the next use tries again
    );
    return this.#opening;
  }

  async #connect() {
    const request = indexedDB.open(this.#name, this.#version);
    request.onupgradeneeded = () => this.#upgrade(request.result);
    const connection = await resultOf(request);
    connection.onclose = connection.onversionchange = () => this.#close(connection);
    this.#connection = connection;
    this.onOpen();
    return connection;
  }

  /** @param {IDBDatabase} connection its transactions are completed */
  #close(connection) {
    connection.close();
    if (connection === this.#connection) this.#opening = this.#connection = null;
  }
}

/**
 * @param {IDBTransaction} transaction
 * @param {string[]} stores
 * @param {Requests} requests
 */
function resultsOf(transaction, stores, requests) {
  return new Promise((resolve, reject) => {
    /** @type {ReturnType<Requests>} */ let made;
    transaction.oncomplete = () => resolve(Array.isArray(made) ? made.map(({ result }) => result) : made?.result);
    transaction.onabort = () => reject(transaction.error ?? new DOMException("aborted", "AbortError"));
    try {
      made = requests(...stores.map((store) => transaction.objectStore(store)));
    } catch (error) {
      transaction.abort(); // else the requests before the invalid one would be done
      throw error;
    }
  });
}

/**
 * @param {IDBOpenDBRequest} request
 * @returns {Promise<IDBDatabase>}
 */
function resultOf(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * @template T
 * @param {Promise<T>} result
 * @param {number} timeoutMs
 * @param {() => void} cancel throws if the result is about to arrive
 * @returns {Promise<T>}
 */
function withTimeout(result, timeoutMs, cancel = () => {}) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      try {
        cancel();
      } catch {
        return;
      }
      reject(new DOMException("The storage of this browser does not respond.", TIMEOUT_ERROR));
    }, timeoutMs);
    result.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

// @ts-check
/** Locks of this origin: one tab at a time has a lock, and the browser releases it when the tab is gone. */

export const RELEASE_MS = 500; // a tab that was just closed or reloaded releases its locks a moment later
const importTabLocks = () => import("./tab-locks.js"); // for the insecure page only

/**
 * Hold a lock until it is released, or the page closes.
 * @param {string} name
 * @param {number} [waitMs] for another tab, which may be closing
 * @returns {Promise<(() => void) | null>} releases the lock; null: another tab has it
 */
export async function holdLock(name, waitMs = 0) {
  if (!navigator.locks) return (await importTabLocks()).hold(name);
  const options = waitMs ? { signal: AbortSignal.timeout(waitMs) } : { ifAvailable: true };
  return new Promise((resolve, reject) => {
    const hold = (/** @type {Lock | null} */ lock) =>
      new Promise((/** @type {(value: void) => void} */ release) => {
        resolve(lock && release);
        if (!lock) release();
      });
    const onRejected = (/** @type {Error} */ error) => (error.name === "TimeoutError" ? resolve(null) : reject(error));
    navigator.locks.request(name, options, hold).catch(onRejected);
  });
}

/** The names of the locks that tabs hold. */
export async function heldLocks() {
  if (!navigator.locks) return (await importTabLocks()).held();
  const { held = [] } = await navigator.locks.query();
  return new Set(held.map(({ name }) => name));
}

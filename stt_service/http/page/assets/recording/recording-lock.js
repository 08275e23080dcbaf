/** Which recordings are open in a live tab: each holds a lock that the browser releases when the tab is gone. */

const PREFIX = "stt-recording:";

/**
 * Hold the lock of a recording.
 * @param {string} recording
 * @returns {Promise<(() => void) | null>} releases the lock; null: another tab has the recording
 */
export function lockRecording(recording) {
  if (!navigator.locks) return Promise.resolve(() => {}); // insecure page: no microphone, no second tab that records
  return new Promise((resolve, reject) => {
    const hold = (lock) => {
      if (!lock) return resolve(null);
      return new Promise((release) => resolve(release));
    };
    navigator.locks.request(PREFIX + recording, { ifAvailable: true }, hold).catch(reject);
  });
}

/** @returns {Promise<Set<string>>} recordings that are open in this or another tab */
export async function openRecordings() {
  const { held } = navigator.locks ? await navigator.locks.query() : { held: [] };
  const names = held.map(({ name }) => name).filter((name) => name.startsWith(PREFIX));
  return new Set(names.map((name) => name.slice(PREFIX.length)));
}

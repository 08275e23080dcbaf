/** Which recordings are open in a live tab: each holds a lock that the browser releases when the tab is gone. */

const PREFIX = "stt-recording:";
const CLOSING_TAB_MS = 500;

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

/**
 * Return whether this or another tab has the recording. A tab that was just closed or reloaded releases its lock a
 * moment later.
 * @param {string} recording
 */
export async function isRecordingOpen(recording) {
  if (!navigator.locks) return false;
  try {
    await navigator.locks.request(PREFIX + recording, { signal: AbortSignal.timeout(CLOSING_TAB_MS) }, () => {});
    return false;
  } catch {
    return true;
  }
}

/** Which recordings are open in a live tab: each holds a lock that the browser releases when the tab is gone. */

const PREFIX = "stt-recording:";
const RELEASE_MS = 500; // a tab that was just closed or reloaded releases its lock a moment later

/**
 * Hold the lock of a recording.
 * @param {string} recording
 * @returns {Promise<(() => void) | null>} releases the lock; null: another tab has the recording
 */
export async function lockRecording(recording) {
  if (!navigator.locks) return () => {}; // insecure page: no microphone, no second tab that records
  return (await requestLock(recording, { ifAvailable: true })) ?? requestLock(recording, { signal: timeout() });
}

const timeout = () => AbortSignal.timeout(RELEASE_MS);

function requestLock(recording, options) {
  return new Promise((resolve, reject) => {
    const hold = (lock) => new Promise((release) => (lock ? resolve(release) : release(resolve(null))));
    const onRejected = (error) => (error.name === "TimeoutError" ? resolve(null) : reject(error));
    navigator.locks.request(PREFIX + recording, options, hold).catch(onRejected);
  });
}

/**
 * Return whether this or another tab has the recording; a free lock is not taken, so that no other tab sees it as open.
 * @param {string} recording
 */
export async function isRecordingOpen(recording) {
  if (!navigator.locks) return false;
  const { held } = await navigator.locks.query();
  if (!held.some(({ name }) => name === PREFIX + recording)) return false;
  const release = await lockRecording(recording);
  release?.();
  return release === null;
}

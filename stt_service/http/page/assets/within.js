// @ts-check
/**
 * Wait for a promise, at most for a time.
 * @param {number} timeoutMs
 * @param {Promise<unknown>} promise
 */
export async function within(timeoutMs, promise) {
  let timer = 0;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, timeoutMs);
  });
  await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

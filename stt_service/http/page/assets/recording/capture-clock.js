/**
 * Finds time that a microphone did not record: a suspended tab, a sleeping machine, a stalled device. Pure.
 *
 * The audio thread stamps each chunk with the time of day. If the time between two chunks exceeds their audio by more
 * than GAP_MS, the difference is missing. Smaller differences are the jitter of devices and clocks.
 */

export const GAP_MS = 1000;

export class CaptureClock {
  constructor() {
    this._lastWallMs = null;
  }

  /**
   * Record a chunk; return the milliseconds missing before it, or 0.
   * @param {number} wallMs time of day at its end
   * @param {number} chunkMs its duration
   */
  onChunk(wallMs, chunkMs) {
    const missingMs = this._lastWallMs === null ? 0 : wallMs - this._lastWallMs - chunkMs;
    this._lastWallMs = wallMs;
    return missingMs > GAP_MS ? Math.round(missingMs) : 0;
  }
}

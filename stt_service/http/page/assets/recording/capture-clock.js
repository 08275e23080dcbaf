/**
 * Finds time that a microphone did not record: a suspended tab, a sleeping machine, a busy processor. Pure.
 *
 * The audio thread stamps each chunk with the time of day. Time that exceeds the audio is missing. It is reported once it
 * is more than GAP_MS, in one piece (a pause) or in many; below that it is the jitter of devices and clocks.
 */

export const GAP_MS = 1000;
const DRIFT = 0.0002; // of the clock of a sound card against that of the machine; usual ones have less

export class CaptureClock {
  constructor() {
    this._lastWallMs = null;
    this._missingMs = 0; // not reported so far
  }

  /**
   * Record a chunk; return the time missing before it, or null.
   * @param {number} wallMs time of day at its end
   * @param {number} chunkMs its duration
   * @returns {{missingMs: number, isPause: boolean} | null}
   */
  onChunk(wallMs, chunkMs) {
    const excessMs = this._lastWallMs === null ? 0 : wallMs - this._lastWallMs - chunkMs;
    this._lastWallMs = wallMs;
    this._missingMs = Math.max(0, this._missingMs + excessMs - chunkMs * DRIFT);
    if (this._missingMs <= GAP_MS) return null;
    const missingMs = Math.round(this._missingMs);
    this._missingMs = 0;
    return { missingMs, isPause: excessMs > GAP_MS };
  }
}

/**
 * Finds time that a microphone did not record: a suspended tab, a sleeping machine, a busy processor. Pure.
 *
 * The audio thread stamps each chunk with the time of day. Time that exceeds the audio is missing. It is reported once it
 * is more than GAP_MS, in one piece (a pause) or in many; below that it is the jitter of devices and clocks.
 *
 * The time of day can be set, and the audio thread has no other clock. So the offset of the time of day to a monotonic
 * clock, which the page reads as the chunk arrives, shows whether it was set. Some systems stop the monotonic clock while
 * the machine sleeps, which looks the same: only changes up to MAX_CORRECTION_MS, shorter than usual sleeps, are
 * corrections of the clock.
 */

export const GAP_MS = 1000;
const DRIFT = 0.0002; // of the clock of a sound card against that of the machine; usual ones have less

const MIN_CORRECTION_MS = 100; // less is the resolution of the two clocks
const MAX_CORRECTION_MS = 30_000;

export class CaptureClock {
  constructor() {
    this._lastWallMs = null;
    this._lastOffsetMs = null;
    this._correctionMs = 0; // that no stamp has shown yet
    this._missingMs = 0; // not reported so far
  }

  /**
   * Record a chunk; return the time missing before it, or null.
   * @param {number} wallMs time of day at its end
   * @param {number} chunkMs its duration
   * @param {number} [offsetMs] time of day less monotonic time, when the chunk arrived
   * @returns {{missingMs: number, isPause: boolean} | null}
   */
  onChunk(wallMs, chunkMs, offsetMs = 0) {
    const stampedMs = this._lastWallMs === null ? 0 : wallMs - this._lastWallMs - chunkMs;
    const excessMs = this._corrected(stampedMs, offsetMs);
    this._lastWallMs = wallMs;
    this._missingMs = Math.max(0, this._missingMs + excessMs - chunkMs * DRIFT);
    if (this._missingMs <= GAP_MS) return null;
    const missingMs = Math.round(this._missingMs);
    this._missingMs = 0;
    return { missingMs, isPause: excessMs > GAP_MS };
  }

  /** Return the excess without a correction of the clock, which this stamp or, if it was earlier, the next one shows. */
  _corrected(excessMs, offsetMs) {
    const changeMs = this._lastOffsetMs === null ? 0 : offsetMs - this._lastOffsetMs;
    this._lastOffsetMs = offsetMs;
    const isCorrection = Math.abs(changeMs) >= MIN_CORRECTION_MS && Math.abs(changeMs) <= MAX_CORRECTION_MS;
    const correctionMs = isCorrection ? changeMs : this._correctionMs;
    const isShown = Math.abs(excessMs - correctionMs) < Math.abs(excessMs);
    this._correctionMs = isCorrection && !isShown ? correctionMs : 0;
    return isShown ? excessMs - correctionMs : excessMs;
  }
}

/** Positions in a recording: 16-bit mono PCM at the native rate of the microphone. Pure. */

const SAMPLE_BYTES = 2;
// Committed audio that is sent again, so that the server's resampler reaches the same state: a step is a whole number
// of samples at all usual rates (7056 at 44.1 kHz), and longer than any resampling filter.
const LEFT_CONTEXT_STEP_MS = 160;
const HEADER_BYTES = 44;

export class AudioFormat {
  /** @param {number} rateHz 8000 to 192000 */
  constructor(rateHz) {
    this.rateHz = rateHz;
  }

  /** @param {number} ms @returns {number} bytes before the position, a whole number of samples */
  bytesOf(ms) {
    return Math.floor((this.rateHz * ms) / 1000) * SAMPLE_BYTES;
  }

  /** @param {number} bytes @returns {number} milliseconds, with a fraction */
  msOf(bytes) {
    return (bytes / SAMPLE_BYTES / this.rateHz) * 1000;
  }

  /** @returns {{encoding: string, sampleRateHz: number, channels: number}} proto3 JSON of `AudioFormat` */
  toMessage() {
    return { encoding: "ENCODING_PCM_S16LE", sampleRateHz: this.rateHz, channels: 1 };
  }

  /** @param {number} dataBytes @returns {ArrayBuffer} the header of a WAV file with that much audio */
  wavHeader(dataBytes) {
    const header = new DataView(new ArrayBuffer(HEADER_BYTES));
    const tag = (at, text) => [...text].forEach((letter, index) => header.setUint8(at + index, letter.charCodeAt(0)));
    tag(0, "RIFF");
    header.setUint32(4, HEADER_BYTES - 8 + dataBytes, true);
    tag(8, "WAVEfmt ");
    header.setUint32(16, 16, true); // length of the format
    header.setUint16(20, 1, true); // PCM
    header.setUint16(22, 1, true); // channels
    header.setUint32(24, this.rateHz, true);
    header.setUint32(28, this.rateHz * SAMPLE_BYTES, true);
    header.setUint16(32, SAMPLE_BYTES, true);
    header.setUint16(34, SAMPLE_BYTES * 8, true);
    tag(36, "data");
    header.setUint32(40, dataBytes, true);
    return header.buffer;
  }
}

/**
 * Return where the audio of a resumed stream starts: one to two steps before the committed position.
 * @param {number} committedMs
 */
export function leftContextStartMs(committedMs) {
  return Math.max(0, Math.floor(committedMs / LEFT_CONTEXT_STEP_MS) - 1) * LEFT_CONTEXT_STEP_MS;
}

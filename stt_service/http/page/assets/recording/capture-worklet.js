/**
 * Runs on the audio thread: mixes to mono, converts to 16-bit little-endian PCM, measures the level.
 *
 * Each message has about 50 ms: `pcm` (an ArrayBuffer that is transferred), `rms` and `peak` (0 to 1), and `wallMs`, by
 * which a suspended device is found. The endianness is that of the platform; all that run browsers are little-endian.
 */

const CHUNKS_PER_S = 20;
const FULL_SCALE = 32_767;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this._size = Math.round(sampleRate / CHUNKS_PER_S);
    this._isStopped = false;
    this._begin();
    this.port.onmessage = () => {
      this._post(); // the rest
      this._isStopped = true;
      this.port.postMessage({ isLast: true });
    };
  }

  process([channels]) {
    if (this._isStopped) return false;
    const length = channels.length ? channels[0].length : 0; // no channels: the track has ended
    for (let index = 0; index < length; index += 1) this._add(mixed(channels, index));
    return true;
  }

  _begin() {
    this._samples = new Int16Array(this._size);
    this._count = 0;
    this._peak = 0;
    this._squares = 0;
  }

  _add(sample) {
    const limited = Math.max(-1, Math.min(1, sample));
    this._samples[this._count] = Math.round(limited * FULL_SCALE);
    this._count += 1;
    this._peak = Math.max(this._peak, Math.abs(limited));
    this._squares += limited * limited;
    if (this._count === this._size) this._post();
  }

  _post() {
    if (!this._count) return;
    const pcm = this._samples.slice(0, this._count).buffer;
    const rms = Math.sqrt(this._squares / this._count);
    this.port.postMessage({ pcm, rms, peak: this._peak, wallMs: Date.now() }, [pcm]);
    this._begin();
  }
}

function mixed(channels, index) {
  let sum = 0;
  for (const channel of channels) sum += channel[index];
  return sum / channels.length;
}

registerProcessor("stt-capture", Capture);

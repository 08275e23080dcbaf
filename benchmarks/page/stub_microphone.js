/**
 * Replaces the browser's capture by exact samples, at a multiple of real time: no device, no resampling.
 *
 * Installed before the page's scripts. `load` takes the audio, `play` sets the pace; then the page opens its
 * microphone as usual. The chunks are those of the page's audio worklet; their time of day is that of the audio, so that
 * a fast pace is no gap.
 */
(() => {
  const CHUNKS_PER_S = 20;
  const TICK_MS = 10;
  const MAX_BURST_S = 2; // of audio in a tick, after a late timer

  const stub = { pcm: new ArrayBuffer(0), rateHz: 16_000, speed: 1, lengthS: 0, playedS: 0, isDone: false };
  window.stubMicrophone = stub;
  stub.load = (base64, rateHz) => {
    const binary = atob(base64);
    const bytes = new Uint8Array(binary.length);
    for (let index = 0; index < binary.length; index += 1) bytes[index] = binary.charCodeAt(index);
    Object.assign(stub, { pcm: bytes.buffer, rateHz, lengthS: bytes.length / 2 / rateHz });
  };
  /** Play so much audio, which repeats as often as necessary. */
  stub.play = (speed, lengthS) => Object.assign(stub, { speed, lengthS: lengthS || stub.lengthS });

  class Port {
    constructor() {
      this._position = 0; // in bytes, of all that was played
      this._startedMs = performance.now();
      this._wallMs = Date.now();
      this._timer = setInterval(() => this._play(), TICK_MS);
      Object.assign(stub, { playedS: 0, isDone: false });
    }

    postMessage() {
      clearInterval(this._timer);
      setTimeout(() => this.onmessage({ data: { isLast: true } }));
    }

    _play() {
      const dueS = Math.min(((performance.now() - this._startedMs) / 1000) * stub.speed, stub.lengthS);
      const burstS = Math.max(MAX_BURST_S, (TICK_MS / 1000) * stub.speed);
      const end = 2 * Math.round(Math.min(dueS, stub.playedS + burstS) * stub.rateHz);
      const size = 2 * Math.round(stub.rateHz / CHUNKS_PER_S);
      const isLast = dueS === stub.lengthS && end === 2 * Math.round(stub.lengthS * stub.rateHz);
      while (this._position + size <= end) this._post(size);
      if (isLast && this._position < end) this._post(end - this._position);
      stub.playedS = this._position / 2 / stub.rateHz;
      if (!isLast) return;
      clearInterval(this._timer);
      stub.isDone = true;
    }

    _post(size) {
      const pcm = new Uint8Array(size);
      for (let copied = 0; copied < size; ) {
        const from = (this._position + copied) % stub.pcm.byteLength;
        const part = new Uint8Array(stub.pcm, from, Math.min(size - copied, stub.pcm.byteLength - from));
        pcm.set(part, copied);
        copied += part.length;
      }
      this._position += size;
      const wallMs = this._wallMs + (this._position / 2 / stub.rateHz) * 1000;
      this.onmessage({ data: { pcm: pcm.buffer, rms: 0.1, peak: 0.2, wallMs } });
    }
  }

  class Track extends EventTarget {
    enabled = true;
    muted = false;
    readyState = "live";
    stop() {}
  }

  navigator.mediaDevices.getUserMedia = async () => {
    const tracks = [new Track()];
    return { getTracks: () => tracks, getAudioTracks: () => tracks };
  };
  window.AudioContext = class extends EventTarget {
    sampleRate = stub.rateHz;
    state = "running";
    destination = null;
    audioWorklet = { addModule: async () => {} };
    createMediaStreamSource() {
      return { connect() {} };
    }
    async resume() {}
    async close() {
      this.state = "closed";
    }
  };
  window.AudioWorkletNode = class {
    port = new Port();
    connect() {}
  };
})();

"""Scripts that keep the objects of a page's microphone for a test, or delay its opening."""

from __future__ import annotations

# Keeps the objects that the page gets from the browser, so that a test can act as the device or the system.
SPY = """
window.streams = [];
window.contexts = [];
const open = navigator.mediaDevices?.getUserMedia.bind(navigator.mediaDevices);
if (open) navigator.mediaDevices.getUserMedia = async (constraints) => {
    window.constraints = constraints;
    const stream = await open(constraints);
    streams.push(stream);
    return stream;
};
window.AudioContext = class extends AudioContext {
    constructor(options) {
        super(options);
        window.options = options;
        contexts.push(this);
    }
};
"""
UNPLUG = "() => streams[0].getTracks()[0].dispatchEvent(new Event('ended'))"
# The microphone opens when the test calls `openMicrophone`.
SLOW_MICROPHONE = """const { mediaDevices } = navigator;
const getUserMedia = mediaDevices.getUserMedia.bind(mediaDevices);
mediaDevices.getUserMedia = async (constraints) => {
  await new Promise((resolve) => (window.openMicrophone = resolve));
  return getUserMedia(constraints);
};"""

"""PCM decoding, frames and the audio buffer of a stream."""

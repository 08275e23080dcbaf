"""NVIDIA Riva's speech recognition service, as an adapter of `SpeechService`."""

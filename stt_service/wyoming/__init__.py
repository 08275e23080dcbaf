"""Wyoming, the protocol of Home Assistant: an adapter of `SpeechService` on a port of its own."""

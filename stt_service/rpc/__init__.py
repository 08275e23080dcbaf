"""The SpeechToText service over gRPC."""

"""The SpeechToText service over gRPC, and the HTTP endpoint of metrics."""

"""gRPC channels, calls and conversion of protobuf messages."""

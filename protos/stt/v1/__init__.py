"""The wire: stubs made from the .proto files beside them, never edited."""

"""The wire: stubs made from the .proto files with them, never edited."""

"""Command-line arguments: parameter types, shared options and the parsed request."""

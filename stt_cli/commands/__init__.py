"""The commands of stt-cli: parse, call, print, exit code."""

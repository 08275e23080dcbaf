"""The command-line client, `stt-cli`."""

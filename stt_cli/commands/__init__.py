"""The commands of stt-cli."""

"""Other speech-to-text systems, each in a virtual environment of its own."""

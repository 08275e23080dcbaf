"""Other speech-to-text systems, each in its own virtual environment."""

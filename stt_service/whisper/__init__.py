"""Whisper: windows of audio in, transcripts out."""

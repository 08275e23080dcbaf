"""Measurements of the dictation page in Chromium: text, interruptions, speed, CPU of the server."""

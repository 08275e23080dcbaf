"""Utterances of one to three words: is each recognized once, and as well as by faster-whisper with full windows?"""

"""OpenAI's audio API: transcriptions, translations, models and Realtime transcription sessions."""

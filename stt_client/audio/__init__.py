"""Sources of audio: recordings, pipes and microphones."""

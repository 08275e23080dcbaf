"""`stt-server evaluate`: replays recordings under several settings and scores them."""

"""`stt-cli doctor`: checks of the machine, the microphone and the server."""

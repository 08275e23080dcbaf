"""The web page: its files, the stream of a browser as JSON over a WebSocket, and captions for many viewers."""

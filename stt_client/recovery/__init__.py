"""Retry, resume and the buffers that make it possible."""

"""NVIDIA Riva on the wire."""

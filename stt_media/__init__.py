"""Decodes recordings that others made: containers and codecs by whitelist, one track, mixed to mono, in step with time.

Shared by the server and the clients, which do not know each other.
"""

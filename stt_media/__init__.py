"""Decodes untrusted recordings: containers and codecs by whitelist, one track, mixed to mono, in step with time stamps.

Shared by the server and the clients, which do not import each other.
"""

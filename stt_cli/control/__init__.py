"""Commands for operators: calls to the Control service of a server, and their output."""

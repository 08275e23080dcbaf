"""End-to-end tests of the HTTP port: invalid input, lost clients, a killed server."""

"""Who may use the server: tokens, certificates, rate limits, admission and health."""

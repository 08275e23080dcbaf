"""Access to the server: tokens, certificates, rate limits and admission."""

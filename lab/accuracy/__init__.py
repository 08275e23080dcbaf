"""Is the text right: word error rates, determinism, hallucinations."""

"""Accuracy of the text: word error rates, determinism, hallucinations."""

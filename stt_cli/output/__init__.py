"""Output of recognized text and progress: terminal, files, clipboard."""

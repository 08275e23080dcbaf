"""Where recognized text and progress are written: terminal, files, clipboard."""

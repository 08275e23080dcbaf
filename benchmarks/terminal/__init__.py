"""Programs in a real terminal, and pictures of their screens."""

"""Response times of the editor in a real terminal."""

"""What all measurements need: dictations, replay at real-time pace, resource usage, word errors."""

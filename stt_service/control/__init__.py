"""The Control service: status, settings, models and sessions."""

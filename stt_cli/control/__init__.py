"""Commands for operators: status, settings, models, sessions and drain."""

"""Recognition of calls, whatever their protocol: admission, models, sessions, results and the log of calls."""

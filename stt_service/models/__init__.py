"""Models: devices, files, downloads, trial loads and the registry."""

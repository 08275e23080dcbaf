"""Files that the service carries: the seed of the silence tail."""

"""Programs that make targets run on a whole service: the demo, the comparison and the pictures."""

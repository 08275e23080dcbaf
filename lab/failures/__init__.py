"""No word is lost when servers, clients and networks fail."""

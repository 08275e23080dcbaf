"""Interrupted dictations, and the proxies that interrupt them."""

"""Control over HTTP: the operations of an operator as JSON, for the monitor page and for scripts."""

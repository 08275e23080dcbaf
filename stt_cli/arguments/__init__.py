"""What the command line accepts: parameter types, options and the parsed request."""

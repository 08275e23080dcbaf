"""What is run by hand or by make on a whole service: the demo and the measurements."""

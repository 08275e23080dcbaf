"""`python -m lab.cluster`: a simulation of a fleet behind load balancers."""

"""Measurements for a machine with a GPU: `python -m lab.gpu`."""

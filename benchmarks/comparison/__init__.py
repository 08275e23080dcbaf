"""`make bench`: a comparison of systems, its measurements, tables and plots."""

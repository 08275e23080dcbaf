"""`make bench`: systems side by side, their measurement, tables and plots."""

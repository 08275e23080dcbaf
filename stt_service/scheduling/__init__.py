"""Which decode runs next, and the threads that run batches."""

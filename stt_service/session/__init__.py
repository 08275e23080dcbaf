"""A stream without I/O: utterances, partials, speculative and final decodes."""

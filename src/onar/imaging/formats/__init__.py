"""Picture formats, one module each."""

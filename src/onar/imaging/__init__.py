"""Picture files and arrays: reading, writing, listing, and several pictures on one sheet."""

"""`onar export`: a generator as a file to pass on."""

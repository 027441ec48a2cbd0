"""`onar serve`: an HTTP API and a page where people paint holes, in front of one model."""

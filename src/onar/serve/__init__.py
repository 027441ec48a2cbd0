"""`onar serve`: an HTTP API and a page to paint holes on, in front of one model."""

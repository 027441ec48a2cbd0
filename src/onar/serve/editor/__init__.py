"""The endpoints by which the page edits a photo."""

"""Sheets of generated masks over HTTP."""

"""Fills that need no network: the pyramid, and patches of the photo itself."""

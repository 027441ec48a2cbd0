"""Fills without a network: the pyramid, and patches of the photo itself."""

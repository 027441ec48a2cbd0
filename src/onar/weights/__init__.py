"""Weights files, read without torch, and the weights that come with Onar."""

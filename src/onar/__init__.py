"""Onar."""

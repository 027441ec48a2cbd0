"""Settings as frozen dataclasses, and what all of them share."""

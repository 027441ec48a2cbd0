"""The training of the network that finds scratches and dust."""

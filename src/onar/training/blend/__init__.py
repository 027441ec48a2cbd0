"""The training of the network that blends fills."""

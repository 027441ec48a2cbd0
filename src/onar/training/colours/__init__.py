"""The training of the network for colours."""

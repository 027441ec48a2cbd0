"""The training of a generator against a discriminator."""

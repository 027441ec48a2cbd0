"""Networks: the partial-convolution generators and the discriminators."""

"""HTTP concerns of every endpoint: access, limits, uploads, errors, metrics."""

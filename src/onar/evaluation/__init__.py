"""`onar evaluate`: photos paired with holes, every method scored on every pair, and the report."""

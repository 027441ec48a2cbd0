"""Benchmarks of Onar: `python -m benchmarks [TOPIC]`."""

"""What Onar costs, measured side by side; `python -m benchmarks` runs all of it, and with a topic's name only that."""

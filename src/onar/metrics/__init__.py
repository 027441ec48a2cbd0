"""How good a fill is: scores, learned distances, fills to compare with, and held-out photos."""

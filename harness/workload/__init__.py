"""What is computed: models over an op catalogue, their cost, and a float64 oracle. Standard library and NumPy only."""

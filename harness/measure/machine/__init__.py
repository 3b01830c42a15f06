"""The machine that measures: its description, its resources, and its state during a measurement."""

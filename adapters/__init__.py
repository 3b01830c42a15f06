"""One module per framework; `base.py` is the contract. Importing this package imports no framework."""

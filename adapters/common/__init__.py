"""What the adapters share that is not the contract. It imports no framework."""

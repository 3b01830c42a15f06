"""What several models have in common: layers, blocks and batches. No model is here."""

"""What a study predicts, the rules that judge it, and the verdicts."""

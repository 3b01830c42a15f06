"""Claims: the predictions of a study, the rules that judge them, and the verdicts."""

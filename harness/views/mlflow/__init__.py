"""Records in MLflow: runs, a page for each sweep, links to them, and the way back."""

"""Views of records: terminal, table, MLflow, comparison."""

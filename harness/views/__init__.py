"""What is shown of records: terminal, table, MLflow, comparison."""

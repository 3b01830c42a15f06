"""What it says: records, and the views that are made from them."""

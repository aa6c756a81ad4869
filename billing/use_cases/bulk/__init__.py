"""Lists that staff send as CSV files, and acts on everything that a list names."""

"""A customer's own data."""

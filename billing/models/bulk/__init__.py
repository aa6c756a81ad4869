"""Bulk grants: credit for each customer of a list."""

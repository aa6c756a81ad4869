"""Lots: what is left of each grant of an account that holds, or once held, expiring credit."""

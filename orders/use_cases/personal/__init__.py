"""Exports a customer's personal data."""

"""Imports voucher codes from a CSV file."""

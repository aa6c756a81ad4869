"""The page that imports voucher codes from a file."""

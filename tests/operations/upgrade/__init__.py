"""The last release and this code, side by side on one database, while customers check out."""

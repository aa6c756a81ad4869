"""Formats of dates and times by language: Django finds them by FORMAT_MODULE_PATH, and templates name them."""

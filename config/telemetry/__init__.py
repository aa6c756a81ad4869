"""Traces and error reports. Nothing of this package, nor of those that it needs, is imported while both are off."""

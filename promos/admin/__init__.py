"""The console's pages of this app; importing them registers them."""

from . import codes, redemptions

__all__ = ["codes", "redemptions"]

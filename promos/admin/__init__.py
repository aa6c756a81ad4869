"""The promos app's pages in the staff console. Importing a module registers its pages."""

from . import codes, redemptions

__all__ = ["codes", "redemptions"]

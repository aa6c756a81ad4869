"""The promos app's pages in the staff console. Importing a module registers its pages."""

from . import campaigns, cards, codes, redemptions

__all__ = ["campaigns", "cards", "codes", "redemptions"]

"""The promos app's pages in the staff console. Importing a module registers its pages."""

from . import batches, campaigns, cards, codes, redemptions

__all__ = ["batches", "campaigns", "cards", "codes", "redemptions"]

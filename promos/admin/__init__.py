"""The promos app's pages in the staff console. Importing a module registers its pages."""

from . import campaigns, cards, codes, redemptions
from .oversight import alerts, attempts

__all__ = ["alerts", "attempts", "campaigns", "cards", "codes", "redemptions"]

"""The pages of cards: batches, single cards, ranges and dealers."""

from . import batches, cards, dealers, ranges

__all__ = ["batches", "cards", "dealers", "ranges"]

from .card_entry import CardEntry
from .closed_month import ClosedMonth
from .posting import PostingRule, VatRate

__all__ = ["CardEntry", "ClosedMonth", "PostingRule", "VatRate"]

from .card_chain import CardChain, CardLink
from .card_entry import CardEntry
from .closed_month import ClosedMonth
from .posting import PostingRule, VatRate

__all__ = ["CardChain", "CardEntry", "CardLink", "ClosedMonth", "PostingRule", "VatRate"]

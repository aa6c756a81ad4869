from .card_entry import CardEntry

__all__ = ["CardEntry"]

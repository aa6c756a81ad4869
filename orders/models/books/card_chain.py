from django.db import models
from django.db.models import Q

from .card_entry import CardEntry


class CardLink(models.Model):
    """The place of a card entry in the chain, and its hash (card_chain.sql). Append-only."""

    number = models.BigIntegerField(primary_key=True, editable=False)
    entry = models.OneToOneField(CardEntry, on_delete=models.PROTECT, related_name="link")
    hash = models.BinaryField()

    def __str__(self) -> str:
        return f"card entry {self.number}"


class CardChain(models.Model):
    """The end of the card entries' chain: how many entries it has, and the hash of the newest. One row."""

    id = models.IntegerField(primary_key=True, default=1)
    entries = models.BigIntegerField()
    hash = models.BinaryField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="orders_cardchain_one_row")]

    def __str__(self) -> str:
        return f"{self.entries} card entries"

import hashlib
import json
from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class ClosedMonth(models.Model):
    """The signed figures of a month, for ever: the database refuses UPDATE, DELETE and TRUNCATE of this table.

    The statement is kept as it was signed, a JSON object: `month`, `from` and `to`; `roll_forward` by currency and
    book; `journal`, its number of lines, totals and SHA-256; `accounts`, what the journal posts to each; the `rules`
    and `vat_rates` that it used; the hash of the month before as `previous`; and the `public_key` that verifies the
    signature.
    """

    month = models.DateField(primary_key=True, help_text="Its first day, in the Sovereign's time zone.")
    statement = models.TextField()
    signature = models.BinaryField(help_text="Ed25519, of the statement.")
    closed_by = models.CharField(max_length=255)
    closed_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(month__day=1), name="orders_closedmonth_starts_on_first"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """The month as text: `2026-10`."""
        return f"{self.month:%Y-%m}"

    @property
    def hash(self) -> str:
        """The hash by which the next month names this one."""
        return hashlib.sha256(self.statement.encode()).hexdigest()

    @property
    def facts(self) -> dict[str, Any]:
        """The statement's fields."""
        facts: dict[str, Any] = json.loads(self.statement)
        return facts

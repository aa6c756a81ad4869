from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from django.db import connection

_MOVEMENTS = (Path(__file__).parent / "movements.sql").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Movement:
    """An entry that has VAT and no document yet. Amounts are in the currency's smallest unit.

    `before_minor` is what was refunded of the same payment before. `source` is the reason of an entry of the ledger,
    and for a card entry Stripe's id.
    """

    id: UUID
    at: datetime
    taxed_at: datetime
    order_id: UUID
    kind: str
    amount_minor: int
    before_minor: int
    corrected_entry_id: UUID | None
    source: str

    @property
    def is_card(self) -> bool:
        """True for a card entry, False for an entry of the ledger."""
        return self.kind in ("payment", "refund")


def read_movements(*, after: UUID, until: UUID, size: int) -> list[Movement]:
    """Reads the first movements between two keys, in the order of their keys. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_MOVEMENTS, {"after": after, "until": until, "size": size})
        return [Movement(*row) for row in cursor.fetchall()]

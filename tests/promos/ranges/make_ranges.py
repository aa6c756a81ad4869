"""Dealers and acts on ranges for tests, made through the use cases."""

from typing import Any

from promos.models import Batch, CardRange, Dealer
from promos.use_cases.ranges.act_on_cards import Report, act_on_cards
from promos.use_cases.ranges.keep_dealers import add_dealer
from promos.use_cases.ranges.plan_act import Act
from tests.promos.cards.make_batch import DRAFTER


def dealer(name: str = "Muscat Mall", user_id: str = "") -> Dealer:
    return add_dealer(name=name, user_id=user_id, by=DRAFTER, reason="a new shop")


def act(batch: Batch, name: str, *numbers: int, **arguments: Any) -> Report:
    """Carries the act out on cards, from the first to the last of `numbers`, which count from 1 in their batch."""
    first, last = batch.first_serial + numbers[0] - 1, batch.first_serial + numbers[-1] - 1
    return act_on_cards(
        batch=batch, act=Act(name), spans=[(first, last)], by=DRAFTER, reason=f"to {name}", **arguments
    )


def ranges_of(batch: Batch) -> list[tuple[int, int, str, bool, str]]:
    """Returns the ranges as (first, last, status, locked, dealer), numbered from 1 in their batch."""
    rows = CardRange.objects.filter(batch=batch).order_by("first_serial").select_related("dealer")
    start = batch.first_serial - 1
    return [
        (r.first_serial - start, r.last_serial - start, r.status, r.locked, r.dealer.name if r.dealer else "")
        for r in rows
    ]

"""A reason that shows nothing is no reason, for every use case that requires one."""

import re
from pathlib import Path

import pytest

import billing
from billing.errors import ReasonRequired
from billing.use_cases.ledger.post_entry import adjust_credit
from tests.factories import CustomerFactory, actor
from tests.snapshot import nothing_changes

PRODUCT = Path(billing.__file__).parents[1]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("why", ["", "  ", "\u200b", "\u3164", "\u2800\u00a0"])
def test_a_reason_that_shows_nothing_is_refused(why: str) -> None:
    customer = CustomerFactory.create()
    with nothing_changes(), pytest.raises(ReasonRequired):
        adjust_credit(customer_id=customer.pk, amount_minor=5, why=why, by=actor())


def test_every_required_text_is_judged_by_has_visible_text() -> None:
    """`strip` removes spaces only."""
    pattern = re.compile(r"if not \w+\.strip\(\):")
    found = [
        path.name
        for app in ("billing", "promos", "orders")
        for path in (PRODUCT / app).rglob("*.py")
        if pattern.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []

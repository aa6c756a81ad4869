"""Previews that arrive together share the query of a code, and each gets what its own code means."""

from functools import partial

import pytest
from django.db import DatabaseError, connection

from promos.models import PromoCode
from promos.queries import find_code
from promos.use_cases import find_code_together as module
from promos.use_cases.change_code import retire_code
from promos.use_cases.find_code_together import find_code_together
from tests.concurrency.hold_batches import block_leader
from tests.concurrency.threads import ThreadGroup
from tests.factories import PromoCodeFactory, actor

pytestmark = pytest.mark.django_db(transaction=True)

TEXTS = ("GIFT", "gift", "GIFT", "NOPE", "GONE", "GIFT")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Makes codes, and records the texts for which the database is asked. It refuses the text BAD."""
    texts: list[str] = []
    with pytest.raises(DatabaseError) as caught, connection.cursor() as cursor:
        cursor.execute("SELECT 1/0")
    refusal = caught.value

    def recorded(text: str) -> PromoCode | None:
        texts.append(text)
        if text == "BAD":
            raise refusal
        return find_code(text)

    PromoCodeFactory.create(code="GIFT")
    PromoCodeFactory.create(code="GONE")
    retire_code(code="GONE", by=actor(), reason="over")
    monkeypatch.setattr(module, "find_code", recorded)
    return texts


def test_requests_with_one_text_share_a_query(asked: list[str]) -> None:
    with ThreadGroup(len(TEXTS)) as threads:
        with block_leader(module) as leader:
            outcome = threads.start([partial(find_code_together, text) for text in TEXTS])
            leader.wait_for(len(TEXTS))
        found = [each and each.code for each in outcome.finish().values]
    assert sorted(map(str, found)) == ["GIFT", "GIFT", "GIFT", "GIFT", "None", "None"]
    assert sorted(asked) == ["GIFT", "GONE", "NOPE", "gift"]


def test_a_request_alone_asks_at_once(asked: list[str]) -> None:
    found = find_code_together(" gift ")
    assert (found and found.code, asked) == ("GIFT", [" gift "])


def test_a_code_that_the_database_refuses_fails_no_other(asked: list[str]) -> None:
    def ask(text: str) -> str:
        try:
            found = find_code_together(text)
        except DatabaseError:
            return "refused"
        return found.code if found else "unknown"

    with ThreadGroup(3) as threads:
        with block_leader(module) as leader:
            outcome = threads.start([partial(ask, text) for text in ("GIFT", "BAD", "NOPE")])
            leader.wait_for(3)
        assert outcome.finish().values == ["GIFT", "refused", "unknown"]

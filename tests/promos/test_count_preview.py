"""Previews that find a code redeemable are counted, of vouchers and of cards of a batch, and never fail for it."""

from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from promos.models import CodePreviews, PromoCode
from promos.queries import find_code
from promos.use_cases import count_preview as module
from promos.use_cases.change_code import pause_code
from promos.use_cases.count_preview import count_preview
from promos.use_cases.preview_code import preview_code
from tests.factories import PromoCodeFactory, actor
from tests.promos.cards.make_batch import active, codes_of, released

THREADS = 8


def previews() -> dict[str, int]:
    return dict(CodePreviews.objects.values_list("promo_code__code", "number"))


def preview(*codes: str) -> None:
    for code in codes:
        preview_code(find_code(code), code=code, by=actor())


@pytest.mark.django_db
def test_only_previews_of_what_can_be_redeemed_are_counted() -> None:
    for code in ("GIFT", "PAUSED"):
        PromoCodeFactory.create(code=code)
    pause_code(code="PAUSED", by=actor(), reason="for a day")
    preview("gift", "GIFT", "PAUSED", "NOPE", codes_of(released("EARLY"))[0], *codes_of(active("SHOPS-1"))[:2])
    assert previews() == {"GIFT": 2, "SHOPS-1": 2}


@pytest.mark.django_db
def test_the_redeem_page_counts_a_preview() -> None:
    PromoCodeFactory.create(code="GIFT")
    assert "GIFT" in Client().get(reverse("redeem"), {"code": "gift"}).content.decode()
    assert previews() == {"GIFT": 1}


@pytest.mark.django_db(transaction=True)
def test_previews_at_the_same_time_are_all_counted() -> None:
    codes = [PromoCodeFactory.create(code=code) for code in ("GIFT", "OTHER")]
    start = Barrier(THREADS)

    def count(promo_code: PromoCode) -> None:
        start.wait()
        for _ in range(5):
            count_preview(promo_code_id=promo_code.pk)
        connection.close()

    threads = [Thread(target=count, args=[codes[number % 2]]) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert previews() == {"GIFT": 20, "OTHER": 20}


@pytest.mark.django_db(transaction=True)
def test_a_preview_that_cannot_be_counted_is_answered(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    PromoCodeFactory.create(code="GIFT")
    monkeypatch.setattr(module, "_COUNT", "SELECT 1/0, %s")
    preview("GIFT")
    assert (previews(), "a preview was not counted" in caplog.text) == ({}, True)

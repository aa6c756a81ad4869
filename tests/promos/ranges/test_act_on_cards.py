"""Acts on serial numbers split ranges, apply where they can, and report what they skip and why."""

from datetime import timedelta

import pytest
from django.utils import timezone

from billing.errors import ReasonRequired
from billing.models import AuditEntry
from promos.errors import BatchStateRefuses, CardNotActive, InvalidRange, PromoExpired
from promos.models import Batch, PromoCode, Redemption
from promos.use_cases.cards.change_batch import close_batch
from promos.use_cases.ranges.act_on_cards import act_on_cards
from promos.use_cases.ranges.plan_act import Act
from promos.use_cases.redeem_code import release
from tests.factories import CustomerFactory, actor
from tests.promos.cards.make_batch import DRAFTER, active, approved, codes_of, redeem_for
from tests.snapshot import nothing_changes

from .make_ranges import act, dealer, ranges_of

pytestmark = pytest.mark.django_db(transaction=True)


def redeem_number(batch: Batch, number: int) -> None:
    redeem_for(CustomerFactory.create(), codes_of(batch)[number - 1])


def test_allocated_cards_are_redeemed_only_after_their_activation() -> None:
    batch, shop = active(size=10), dealer()
    report = act(batch, "allocate", 3, 6, dealer=shop)
    assert (report.cards, report.changed, report.skipped) == (4, 4, {})
    assert ranges_of(batch) == [(3, 6, "allocated", False, "Muscat Mall")]
    redeem_number(batch, 2)
    with pytest.raises(CardNotActive):
        redeem_number(batch, 3)
    act(batch, "activate", 3, 4)
    assert ranges_of(batch) == [(3, 4, "active", False, "Muscat Mall"), (5, 6, "allocated", False, "Muscat Mall")]
    redeem_number(batch, 4)
    with pytest.raises(CardNotActive):
        redeem_number(batch, 5)


def test_lock_refuses_at_once_and_unlock_brings_back_what_was() -> None:
    batch, shop = active(size=10), dealer()
    act(batch, "allocate", 5, 6, dealer=shop)
    act(batch, "lock", 4, 7)
    assert [(first, status, locked) for first, _, status, locked, _ in ranges_of(batch)] == [
        (4, "active", True),
        (5, "allocated", True),
        (7, "active", True),
    ]
    with pytest.raises(CardNotActive):
        redeem_number(batch, 4)
    act(batch, "unlock", 1, 10)
    redeem_number(batch, 4)
    with pytest.raises(CardNotActive):
        redeem_number(batch, 5)


def test_what_is_skipped_is_counted_by_its_reason() -> None:
    batch, shop, other = active(size=20), dealer(), dealer("Nizwa Souq")
    redeem_number(batch, 1)
    act(batch, "void", 2, 3)
    act(batch, "lock", 4, 4)
    act(batch, "allocate", 5, 7, dealer=other)
    act(batch, "allocate", 8, 8, dealer=shop)
    report = act(batch, "allocate", 1, 20, dealer=shop)
    assert (report.cards, report.changed) == (20, 12)
    assert report.skipped == {"redeemed": 1, "void": 2, "locked": 1, "of_dealer": 3, "already": 1}
    assert Redemption.objects.get().status == "confirmed"
    entry = AuditEntry.objects.filter(action="batch.range_allocated").latest("pk")
    assert (entry.object_id, entry.reason) == ("SHOPS-1", "to allocate")
    assert entry.changes["cards"] == [None, 12] and "1 redeemed" in entry.changes["skipped"][1]
    assert entry.changes["dealer"] == [None, "Muscat Mall"]


def test_second_time_everything_is_so_already() -> None:
    batch = active(size=10)
    for name in ("lock", "unlock", "return", "activate", "void"):
        assert act(batch, name, 2, 5).changed == 4
        with nothing_changes():
            report = act(batch, name, 2, 5)
        assert (report.changed, sum(report.skipped.values())) == (0, 4)


def test_returned_cards_go_to_another_dealer_and_void_ones_to_none() -> None:
    batch, shop, other = active(size=6), dealer(), dealer("Nizwa Souq")
    act(batch, "allocate", 1, 6, dealer=shop)
    act(batch, "activate", 1, 3)
    assert act(batch, "return", 2, 5).changed == 4
    with pytest.raises(CardNotActive):
        redeem_number(batch, 2)
    act(batch, "allocate", 2, 3, dealer=other)
    act(batch, "void", 4, 4)
    for name in ("activate", "lock", "unlock", "return"):
        assert act(batch, name, 4, 4).skipped == {"void": 1}
    assert ranges_of(batch) == [
        (1, 1, "active", False, "Muscat Mall"),
        (2, 3, "allocated", False, "Nizwa Souq"),
        (4, 4, "void", False, ""),
        (5, 5, "stock", False, ""),
        (6, 6, "allocated", False, "Muscat Mall"),
    ]


def test_extended_cards_outlive_their_batch() -> None:
    batch = active(size=4)
    now = timezone.now()
    PromoCode.objects.filter(batch=batch).update(expires_at=now + timedelta(hours=1))
    assert act(batch, "extend", 1, 2, expires_at=now + timedelta(minutes=5)).skipped == {"already": 2}
    act(batch, "extend", 1, 2, expires_at=now + timedelta(days=30))
    PromoCode.objects.filter(batch=batch).update(expires_at=now - timedelta(hours=1))
    redeem_number(batch, 2)
    with pytest.raises(PromoExpired):
        redeem_number(batch, 3)


def test_released_card_of_a_void_range_stays_refused() -> None:
    batch = active()
    redeem_number(batch, 1)
    assert act(batch, "void", 1, 3).skipped == {"redeemed": 1}
    release(redemption=Redemption.objects.get(), reason="a mistake", by=actor())
    with pytest.raises(CardNotActive):
        redeem_number(batch, 1)


def test_many_spans_are_one_act() -> None:
    batch = active(size=9)
    start = batch.first_serial
    act(batch, "return", 1, 9)
    spans = [(start + 6, start + 6), (start, start + 1), (start + 2, start + 2), (start + 6, start + 7)]
    report = act_on_cards(batch=batch, act=Act.ACTIVATE, spans=spans, by=DRAFTER, reason="sold")
    assert (report.cards, report.changed) == (5, 5)
    assert [(first, last, status) for first, last, status, *_ in ranges_of(batch)] == [
        (1, 3, "active"),
        (4, 6, "stock"),
        (7, 8, "active"),
        (9, 9, "stock"),
    ]
    assert AuditEntry.objects.latest("pk").changes["serials"] == [
        None,
        f"{start}-{start + 2}, {start + 6}-{start + 7}",
    ]


def test_bad_requests_change_nothing() -> None:
    batch, shop = active(), dealer()
    with nothing_changes():
        for numbers in ((0, 1), (1, 4), (3, 1)):
            with pytest.raises(InvalidRange):
                act(batch, "lock", *numbers)
        for name, wrong in (("allocate", {}), ("extend", {}), ("lock", {"dealer": shop})):
            with pytest.raises(InvalidRange):
                act(batch, name, 1, **wrong)
        with pytest.raises(InvalidRange):
            act(batch, "extend", 1, expires_at=timezone.now())
        with pytest.raises(ReasonRequired):
            act_on_cards(batch=batch, act=Act.LOCK, spans=[(1, 1)], by=DRAFTER, reason=" ")
        with pytest.raises(InvalidRange):
            act_on_cards(batch=batch, act=Act.LOCK, spans=[], by=DRAFTER, reason="x")


def test_ranges_change_only_while_the_batch_has_cards_and_goes_on() -> None:
    batch = approved("SHOPS-2")
    with pytest.raises(BatchStateRefuses):
        act(batch, "lock", 1)
    batch = active()
    close_batch(batch=batch, by=DRAFTER, reason="over")
    with nothing_changes(), pytest.raises(BatchStateRefuses):
        act(batch, "lock", 1)

"""Raises alerts from refused attempts and redemptions of the last minutes, and mails them to staff.

It also counts the attempts to use cards that are not active at their batch: a request that did so would take longer
than one with an unknown code, and tell a guesser that the card exists.

A closed alert opens again only by what happened after it was closed.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Count, F, Max, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from billing.actor import SOVEREIGN_ADMIN, SUPERADMIN
from billing.jobs import enqueue
from billing.models import User
from billing.use_cases.count_attempt import Limit, read_limit
from promos.models import Alert, Batch, Redemption, RefusedAttempt
from promos.queries import range_value

# A card of a batch that is not active alerts at the first attempt; so long ago it may have been.
EARLY_CARD_WINDOW = timedelta(hours=1)
# A card that is not active has its own alert. In a rush, honest customers send the card that they have redeemed.
_NOT_OF_RANGES = ("card_not_active", "promo_already_redeemed")
# How many subjects of a kind one run looks at, those with the most refusals first.
MAX_SUBJECTS = 100


class _Found(NamedTuple):
    """A subject with more refusals or redemptions than allowed, and the rows that say so."""

    kind: Alert.Kind
    subject: str
    rows: QuerySet[Any]
    time_field: str
    allowed: int


def raise_alerts(*, now: datetime | None = None) -> list[Alert]:
    """Opens an alert for each subject past its limit, or updates the open one. Returns those that are new.

    Transaction: owns one for each alert. Idempotency: a second run raises nothing that is open already.
    """
    moment = now or timezone.now()
    raised = (_raise(found, now=moment) for found in _subjects(moment))
    return [alert for alert in raised if alert is not None]


def _subjects(now: datetime) -> Iterator[_Found]:
    refused = read_limit("refusals", "ALERT_REFUSED_CODES")
    attempts = RefusedAttempt.objects.filter(created_at__gt=_start(refused, now), created_at__lte=now)
    known = (
        (Alert.Kind.ADDRESS, attempts.filter(address__isnull=False), "address"),
        (Alert.Kind.CUSTOMER, attempts.exclude(user_id=""), "user_id"),
    )
    for kind, rows, name in known:
        for subject in _over(rows, name, refused.hits):
            yield _Found(kind, str(subject), rows.filter(**{name: subject}), "created_at", refused.hits)
    yield from _ranges(attempts, refused.hits)
    early = RefusedAttempt.objects.filter(
        rule="card_not_active", promo_code__isnull=False, created_at__gt=now - EARLY_CARD_WINDOW, created_at__lte=now
    )
    for subject in _over(early, "promo_code__code", 0):
        _count_early_attempts(subject)
        yield _Found(Alert.Kind.EARLY_CARD, str(subject), early.filter(promo_code__code=subject), "created_at", 0)
    many = read_limit("redemptions", "ALERT_REDEMPTIONS")
    # A key of UUID version 7 begins with its time, so the primary key's index finds the newest rows.
    first_key = UUID(int=int((_start(many, now) - timedelta(minutes=1)).timestamp() * 1000) << 80)
    redemptions = Redemption.objects.filter(
        pk__gte=first_key, reserved_at__gt=_start(many, now), reserved_at__lte=now
    )
    for subject in _over(redemptions, "customer__user_id", many.hits):
        of_customer = redemptions.filter(customer__user_id=subject)
        yield _Found(Alert.Kind.COLLECTOR, str(subject), of_customer, "reserved_at", many.hits)


def _ranges(attempts: QuerySet[RefusedAttempt], allowed: int) -> Iterator[_Found]:
    """Yields the ranges of cards with more refusals than allowed. The cards of a batch in no range count as one."""
    serial, of_cards = OuterRef("card_serial"), attempts.filter(card_serial__isnull=False, promo_code__isnull=False)
    rows = of_cards.exclude(rule__in=_NOT_OF_RANGES).annotate(
        batch=F("promo_code__code"),
        first=Coalesce(range_value(serial, F("first_serial")), 0),
        last=Coalesce(range_value(serial, F("last_serial")), 0),
    )
    many = rows.order_by().values("batch", "first", "last").annotate(total=Count("pk")).filter(total__gt=allowed)
    for batch, first, last in many.order_by("-total").values_list("batch", "first", "last")[:MAX_SUBJECTS]:
        subject = f"{batch} {first}-{last}" if first else batch
        found = rows.filter(batch=batch, first=first, last=last)
        yield _Found(Alert.Kind.RANGE, subject, found, "created_at", allowed)


def _count_early_attempts(name: str) -> None:
    """Counts the attempts on cards of a batch that are not active, while they are kept. Locks: Batch."""
    attempts = RefusedAttempt.objects.filter(promo_code__code=name, rule="card_not_active")
    found = attempts.aggregate(number=Count("pk"), last=Max("created_at"))
    Batch.objects.filter(promo_code__code=name).update(
        early_attempts=found["number"], last_early_attempt_at=found["last"]
    )


def _start(limit: Limit, now: datetime) -> datetime:
    # Two periods, so that a run a minute late misses nothing.
    return now - 2 * timedelta(seconds=limit.seconds)


def _over(rows: QuerySet[Any], name: str, allowed: int) -> list[Any]:
    counted = rows.order_by().values(name).annotate(total=Count("pk")).filter(total__gt=allowed).order_by("-total")
    return list(counted.values_list(name, flat=True)[:MAX_SUBJECTS])


def _raise(found: _Found, *, now: datetime) -> Alert | None:
    earlier = Alert.objects.filter(kind=found.kind, subject=found.subject, closed_at__isnull=False)
    closed_at = earlier.order_by("-closed_at").values_list("closed_at", flat=True).first()
    number = found.rows.filter(**{f"{found.time_field}__gt": closed_at} if closed_at else {}).count()
    if number <= found.allowed:
        return None
    with transaction.atomic():
        alert, is_new = Alert.objects.get_or_create(
            kind=found.kind,
            subject=found.subject,
            closed_at=None,
            defaults={"number": number, "opened_at": now, "last_seen_at": now},
        )
        if not is_new:
            Alert.objects.filter(pk=alert.pk, closed_at=None).update(number=number, last_seen_at=now)
            return None
        mail_alert(alert)
        return alert


def mail_alert(alert: Alert) -> None:
    """Mails the alert to the staff who run vouchers. Transaction: joins."""
    for address in addresses_of_staff():
        enqueue("send_alert_mail", alert_id=str(alert.pk), address=address)


def addresses_of_staff() -> list[str]:
    """Returns the e-mail addresses of the staff who run vouchers."""
    groups = Group.objects.filter(name__in=[SUPERADMIN, SOVEREIGN_ADMIN])
    staff = User.objects.filter(Q(groups__in=groups) | Q(is_superuser=True), is_active=True, is_staff=True)
    return sorted({address.lower() for address in staff.exclude(email="").values_list("email", flat=True)})

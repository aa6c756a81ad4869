"""Compares Stripe's balance with the clearing account: each fee and payout is an entry of the same amount."""

from collections.abc import Iterator, Mapping
from functools import partial

from orders.models import Break, CardEntry
from orders.stripe import gateway
from orders.stripe.gateway import Resource
from orders.stripe.payloads import Object, read_currency
from orders.use_cases.balance.book_movements import (
    Owners,
    book_movements,
    expected_entries,
    is_explained,
    is_in_our_currency,
)
from orders.use_cases.reconciliation.reconciliation_run import UNKNOWN, Finding, ReconciliationRun

Kind = Break.Kind
_KINDS = (Kind.FEE_MISSING, Kind.PAYOUT_MISSING, Kind.BALANCE_DIFFERS, Kind.BALANCE_NOT_EXPLAINED)
Posted = dict[CardEntry.Kind, int]


def reconcile_balance(run: ReconciliationRun) -> Iterator[Finding]:
    """Compares what moved Stripe's balance since the start, then the fees and payouts of the books that it lacks."""
    listed: set[str] = set()
    currencies: set[str] = set()
    for page in run.list_pages(Resource.BALANCE_TRANSACTIONS, since=run.start, expand=["data.source"]):
        listed |= {str(each["id"]) for each in page}
        currencies |= {read_currency(each) for each in page if not is_in_our_currency(each)}
        owners, posted = Owners(page), _load_posted(page)
        ours = [each for each in page if is_in_our_currency(each) and not owners.is_foreign(each)]
        yield from run.compare_each(ours, partial(_compare, run, posted))
    for currency in sorted(currencies):
        yield Finding(kind=Kind.OTHER_CURRENCY, object_id=f"balance-{currency}", needs_staff=True)
    unlisted = CardEntry.objects.filter(kind__in=CardEntry.FROM_BALANCE, created_at__gte=run.start).exclude(
        stripe_object_id__in=listed
    )
    yield from run.compare_each(unlisted, partial(_compare_unlisted, run))


def _load_posted(page: list[Object]) -> dict[str, Posted]:
    found: dict[str, Posted] = {}
    entries = CardEntry.objects.filter(
        kind__in=CardEntry.FROM_BALANCE, stripe_object_id__in=[str(each["id"]) for each in page]
    )
    for object_id, kind, minor in entries.values_list("stripe_object_id", "kind", "amount_minor"):
        found.setdefault(object_id, {})[CardEntry.Kind(kind)] = minor
    return found


def _compare(run: ReconciliationRun, all_posted: Mapping[str, Posted], movement: Object) -> Iterator[Finding]:
    identity, expected = str(movement["id"]), expected_entries(movement)
    posted = all_posted.get(identity, {})
    if not is_explained(movement):
        details = {name: movement.get(name) for name in ("type", "amount", "currency")}
        yield Finding(kind=Kind.BALANCE_NOT_EXPLAINED, object_id=identity, details=details, needs_staff=True)
        return
    if posted == expected:
        run.close_breaks(identity, kinds=_KINDS)
        return
    if int(movement["created"]) >= run.in_flight_since.timestamp():
        return
    if any(minor != expected.get(kind) for kind, minor in posted.items()):
        yield _differs(identity, stripe=expected, ours=posted)
        return
    missing = expected.keys() - posted.keys()
    yield Finding(
        kind=Kind.FEE_MISSING if missing == {CardEntry.Kind.FEE} else Kind.PAYOUT_MISSING,
        object_id=identity,
        details={kind.value: expected[kind] for kind in sorted(missing)},
        repaired=run.repair_with(lambda: bool(book_movements([movement]))),
    )


def _compare_unlisted(run: ReconciliationRun, entry: CardEntry) -> Iterator[Finding]:
    """Compares an entry of a movement from before the run's start, or of one that Stripe does not have."""
    identity, kind = entry.stripe_object_id, CardEntry.Kind(entry.kind)
    try:
        movement = gateway.retrieve_movement(identity)
    except gateway.ObjectUnknown:
        yield _differs(identity, stripe=UNKNOWN, ours={kind: entry.amount_minor})
        return
    if expected_entries(movement).get(kind) != entry.amount_minor:
        yield _differs(identity, stripe=expected_entries(movement), ours={kind: entry.amount_minor})
    else:
        run.close_breaks(identity, kinds=_KINDS)


def _differs(identity: str, *, stripe: Posted | str, ours: Posted) -> Finding:
    return Finding(
        kind=Kind.BALANCE_DIFFERS, object_id=identity, details={"stripe": stripe, "ours": ours}, needs_staff=True
    )

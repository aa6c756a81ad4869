"""Counts how checkouts and redemptions end, for monitoring. Counting takes a few microseconds."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, Protocol, TypeVar

from prometheus_client import Counter

from billing.errors import DomainError
from orders.models.basket import CheckoutRequest

_CHECKOUTS = Counter("qasima_checkouts", "Checkouts by outcome: how they were paid, or why refused", ["outcome"])
_REDEMPTIONS = Counter(
    "qasima_redemptions", "Redemptions of vouchers by way and outcome: redeemed, or why refused", ["way", "outcome"]
)


class _Result(Protocol):
    @property
    def replayed(self) -> bool: ...


class _Placed(_Result, Protocol):
    @property
    def paid_by_card(self) -> bool: ...


Parameters = ParamSpec("Parameters")
Placed = TypeVar("Placed", bound=_Placed)
Result = TypeVar("Result", bound=_Result)


def count_checkouts(place: Callable[Parameters, Placed]) -> Callable[Parameters, Placed]:
    """Decorates the use case that takes a `request`. A repeated answer is not counted."""

    @wraps(place)
    def counted(*args: Parameters.args, **options: Parameters.kwargs) -> Placed:
        request = options["request"]
        has_code = isinstance(request, CheckoutRequest) and bool(request.promo_code)
        try:
            placed = place(*args, **options)
        except DomainError as refusal:
            _CHECKOUTS.labels(refusal.code).inc()
            if has_code:
                _REDEMPTIONS.labels("checkout", refusal.code).inc()
            raise
        if not placed.replayed:
            _CHECKOUTS.labels("paid_by_card" if placed.paid_by_card else "paid_by_credit").inc()
            if has_code:
                _REDEMPTIONS.labels("checkout", "redeemed").inc()
        return placed

    return counted


def count_top_ups(top_up: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Decorates the use case that redeems a voucher into the balance. A repeated answer is not counted."""

    @wraps(top_up)
    def counted(*args: Parameters.args, **options: Parameters.kwargs) -> Result:
        try:
            result = top_up(*args, **options)
        except DomainError as refusal:
            _REDEMPTIONS.labels("top_up", refusal.code).inc()
            raise
        if not result.replayed:
            _REDEMPTIONS.labels("top_up", "redeemed").inc()
        return result

    return counted

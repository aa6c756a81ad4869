"""Counts how checkouts and redemptions end, for monitoring, and names in the log what they made.

Both take a few microseconds. The log has ids only: a code is a secret.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, Protocol, TypeVar
from uuid import UUID

from prometheus_client import Counter
from structlog.contextvars import bind_contextvars

from billing.errors import DomainError
from orders.models.basket import CheckoutRequest

_CHECKOUTS = Counter("qasima_checkouts", "Checkouts by outcome: how they were paid, or why refused", ["outcome"])
_REDEMPTIONS = Counter(
    "qasima_redemptions", "Redemptions of vouchers by way and outcome: redeemed, or why refused", ["way", "outcome"]
)


class _Placed(Protocol):
    @property
    def order_id(self) -> UUID: ...

    @property
    def replayed(self) -> bool: ...

    @property
    def paid_by_card(self) -> bool: ...


class _ToppedUp(Protocol):
    @property
    def redemption_id(self) -> UUID: ...

    @property
    def promo_code_id(self) -> UUID: ...

    @property
    def replayed(self) -> bool: ...


Parameters = ParamSpec("Parameters")
Placed = TypeVar("Placed", bound=_Placed)
ToppedUp = TypeVar("ToppedUp", bound=_ToppedUp)


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
        bind_contextvars(order_id=str(placed.order_id))
        if not placed.replayed:
            _CHECKOUTS.labels("paid_by_card" if placed.paid_by_card else "paid_by_credit").inc()
            if has_code:
                _REDEMPTIONS.labels("checkout", "redeemed").inc()
        return placed

    return counted


def count_top_ups(top_up: Callable[Parameters, ToppedUp]) -> Callable[Parameters, ToppedUp]:
    """Decorates the use case that redeems a voucher into the balance. A repeated answer is not counted."""

    @wraps(top_up)
    def counted(*args: Parameters.args, **options: Parameters.kwargs) -> ToppedUp:
        try:
            result = top_up(*args, **options)
        except DomainError as refusal:
            _REDEMPTIONS.labels("top_up", refusal.code).inc()
            raise
        bind_contextvars(redemption_id=str(result.redemption_id), promo_code_id=str(result.promo_code_id))
        if not result.replayed:
            _REDEMPTIONS.labels("top_up", "redeemed").inc()
        return result

    return counted

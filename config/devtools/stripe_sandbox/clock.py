"""The sandbox's two clocks: the API's clock, and a billing clock that the control API can advance.

At Stripe, a test clock moves one customer's subscriptions, while sessions and idempotency keys follow real time. Here
one billing clock moves all subscriptions, and the API's clock shows real time unless a test advances both. Webhook
signatures always carry real time, because the receiver compares them with its own clock.
"""

import calendar
import time
from datetime import UTC, datetime

from config.devtools.stripe_sandbox.store import Store

API = "api"
BILLING = "billing"
DAY = 24 * 60 * 60
_MONTHS = 12
_UNITS = {"day": DAY, "week": 7 * DAY}


class Clock:
    """Both clocks, as offsets from real time, kept in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # While a due timer runs, both clocks show the time at which it was due.
        self.standing_at: int | None = None

    def offsets(self) -> tuple[int, int]:
        """Return the seconds by which the API's clock is ahead of real time, and billing's ahead of the API's."""
        api, billing = self._store.setting("clock", [0, 0])
        return api, billing

    def offset(self, clock: str) -> int:
        """Return the seconds by which a clock is ahead of real time."""
        api, billing = self.offsets()
        return api if clock == API else api + billing

    def now(self, clock: str = API) -> int:
        """Return the time on a clock."""
        if self.standing_at is not None:
            return self.standing_at
        return int(time.time()) + self.offset(clock)

    def advance(self, seconds: int, *, everything: bool = False) -> None:
        """Advance billing, or with `everything` the API's clock too, and so sessions and idempotency keys."""
        api, billing = self.offsets()
        self._store.set("clock", [api + seconds, billing] if everything else [api, billing + seconds])


def add_interval(anchor: int, interval: str, count: int) -> int:
    """Return the time that is `count` intervals after the anchor.

    A month later is the same day, or the last day of a shorter month. Counting from the anchor keeps the 31st.
    """
    if interval in _UNITS:
        return anchor + count * _UNITS[interval]
    moment = datetime.fromtimestamp(anchor, UTC)
    months = moment.year * _MONTHS + moment.month - 1 + count * (_MONTHS if interval == "year" else 1)
    year, month = months // _MONTHS, months % _MONTHS + 1
    day = min(moment.day, calendar.monthrange(year, month)[1])
    return int(moment.replace(year=year, month=month, day=day).timestamp())

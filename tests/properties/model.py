"""A model of vouchers, credit and checkouts in plain Python, which shares no code with the service.

Every action returns the names of the refusals that apply. If there is none, the model has changed; otherwise it has
not. The service may choose any one of several refusals.
"""

from calendar import monthrange
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

Refusals = frozenset[str]
NO_REFUSAL: Refusals = frozenset()
LIVE = ("reserved", "confirmed")
KEY_HOURS = 24
START = datetime(2026, 11, 23, tzinfo=UTC)


def refused(*names: str) -> Refusals:
    return frozenset(names)


@dataclass(frozen=True)
class Terms:
    """`starts` and `ends` are hours on the model's clock; `uses` is how often one customer redeems the code."""

    credit: int
    cap: int
    active: bool
    starts: int | None
    ends: int | None
    uses: int = 1


@dataclass
class Code:
    terms: Terms
    active: bool
    retired: bool = False


@dataclass
class Redemption:
    code: str
    user: str
    credit: int
    status: str


@dataclass
class Entry:
    amount: int
    kind: str
    redemption: int | None = None
    is_reversed: bool = False


@dataclass
class Hold:
    user: str
    amount: int
    status: str = "active"


@dataclass(frozen=True)
class Basket:
    plan: str
    addons: frozenset[str]
    total: int


@dataclass(frozen=True)
class Paid:
    """A subscription: its basket, and the hour from which its first month, the only one, is paid."""

    basket: Basket
    hour: int

    def unused(self, hour: int) -> int:
        """Return what the rest of the month is worth, rounded down."""
        begin = START + timedelta(hours=self.hour)
        next_month = begin.replace(day=1) + timedelta(days=monthrange(begin.year, begin.month)[1])
        last_day = monthrange(next_month.year, next_month.month)[1]
        hours = (next_month.replace(day=min(begin.day, last_day)) - begin) // timedelta(hours=1)
        return self.basket.total * max(self.hour + hours - hour, 0) // hours


NOTHING_PAID = Paid(Basket("", frozenset(), 0), 0)


@dataclass(frozen=True)
class Answer:
    """The answer of a checkout: the number of the order, and the balance after it."""

    order: int
    balance: int


@dataclass
class Model:
    owners: dict[str, str]
    """Organization → its customer."""
    hour: int = 0
    codes: dict[str, Code] = field(default_factory=dict)
    redemptions: list[Redemption] = field(default_factory=list)
    entries: dict[str, list[Entry]] = field(default_factory=dict)
    holds: list[Hold] = field(default_factory=list)
    orders: list[Basket] = field(default_factory=list)
    subscriptions: dict[str, Paid] = field(default_factory=dict)
    answers: dict[tuple[str, str], tuple[object, int, Answer]] = field(default_factory=dict)

    def balance(self, user: str) -> int:
        return sum(entry.amount for entry in self.entries.get(user, []))

    def held(self, user: str) -> int:
        return sum(hold.amount for hold in self.holds if hold.user == user and hold.status == "active")

    def available(self, user: str) -> int:
        return self.balance(user) - self.held(user)

    def used(self, code: str) -> int:
        return sum(made.code == code and made.status in LIVE for made in self.redemptions)

    # --- codes ---

    def issue(self, code: str, terms: Terms) -> Refusals:
        if 0 < terms.cap < self.used(code):
            return refused("CapBelowUsed")
        self.codes[code] = Code(terms, active=terms.active)
        return NO_REFUSAL

    def change(self, code: str, verb: str) -> Refusals:
        found = self.codes.get(code)
        if found is None or found.retired:
            return refused("LiveCodeNotFound")
        if verb == "retire":
            found.retired = True
        else:
            found.active = verb == "resume"
        return NO_REFUSAL

    # --- redemptions ---

    def problem(self, code: str, user: str) -> Refusals:
        found = self.codes.get(code)
        if found is None or found.retired:
            return refused("PromoNotFound")
        starts, ends, cap = found.terms.starts, found.terms.ends, found.terms.cap
        own = sum(made.code == code and made.user == user and made.status in LIVE for made in self.redemptions)
        uses = found.terms.uses
        checks = [
            ("PromoAlreadyRedeemed", own > 0 and uses == 1),
            ("PromoInactive", not found.active),
            ("PromoNotStarted", starts is not None and self.hour < starts),
            ("PromoExpired", ends is not None and self.hour >= ends),
            ("PromoExhausted", 0 < cap <= self.used(code)),
        ]
        standing = next((refused(name) for name, stands in checks if stands), NO_REFUSAL)
        return standing | refused("PromoCustomerLimit") if own >= uses > 1 else standing

    def redeem(self, code: str, user: str) -> Refusals:
        standing = self.problem(code, user)
        if not standing:
            self._add_redemption(code, user, "confirmed")
            self._grant(len(self.redemptions) - 1)
        return standing

    def reserve(self, code: str, user: str) -> Refusals:
        standing = self.problem(code, user)
        if not standing:
            self._add_redemption(code, user, "reserved")
        return standing

    def confirm(self, number: int) -> Refusals:
        made = self.redemptions[number]
        if made.status == "released":
            return refused("RedemptionNotReserved")
        if made.status == "reserved":
            made.status = "confirmed"
            self._grant(number)
        return NO_REFUSAL

    def release(self, number: int) -> Refusals:
        made = self.redemptions[number]
        if made.status == "confirmed":
            if self.available(made.user) < made.credit:
                return refused("CreditSpent")
            granted = next(entry for entry in self.entries[made.user] if entry.redemption == number)
            granted.is_reversed = True
            self._post(made.user, -made.credit, "reversal")
        made.status = "released"
        return NO_REFUSAL

    # --- credit ---

    def adjust(self, user: str, amount: int) -> Refusals:
        if amount == 0:
            return refused("InvalidAmount")
        if self.available(user) + amount < 0:
            return refused("InsufficientCredit")
        self._post(user, amount, "adjustment")
        return NO_REFUSAL

    def hold(self, user: str, amount: int) -> Refusals:
        if self.available(user) < amount:
            return refused("InsufficientCredit")
        self.holds.append(Hold(user, amount))
        return NO_REFUSAL

    def hold_again(self, number: int) -> Refusals:
        """Hold again for an order whose hold was released."""
        former = self.holds[number]
        standing = set()
        if former.status != "released":
            standing.add("OrderHasHold")
        if self.available(former.user) < former.amount:
            standing.add("InsufficientCredit")
        if not standing:
            former.status = "active"
        return frozenset(standing)

    def capture(self, number: int) -> Refusals:
        found = self.holds[number]
        if found.status != "active":
            return refused("HoldNotActive")
        found.status = "captured"
        self._post(found.user, -found.amount, "spend")
        return NO_REFUSAL

    def release_hold(self, number: int) -> None:
        if self.holds[number].status == "active":
            self.holds[number].status = "released"

    def reverse(self, user: str, number: int) -> Refusals:
        entry = self.entries[user][number]
        if entry.kind == "reversal":
            return refused("EntryNotFound")
        if entry.redemption is not None:
            return refused("EntryOfRedemption")
        standing = set()
        if entry.is_reversed:
            standing.add("EntryAlreadyReversed")
        if self.available(user) < entry.amount:
            standing.add("InsufficientCredit")
        if not standing:
            entry.is_reversed = True
            self._post(user, -entry.amount, "reversal")
        return frozenset(standing)

    # --- checkout ---

    def checkout(self, user: str, tenant: str, basket: Basket, code: str, key: str) -> tuple[Refusals, Answer | None]:
        request = (tenant, basket, code)
        if key and (user, key) in self.answers:
            earlier, until, answer = self.answers[user, key]
            if self.hour < until:
                return (NO_REFUSAL, answer) if earlier == request else (refused("IdempotencyMismatch"), None)
        if self.owners[tenant] != user:
            return refused("OrganizationNotFound"), None
        standing = self.problem(code, user) if code else NO_REFUSAL
        if standing:
            return standing, None
        replaced = self.subscriptions.get(tenant, NOTHING_PAID)
        if replaced.basket == basket:
            return refused("AlreadySubscribed"), None
        credit = self.codes[code].terms.credit if code else 0
        unused = replaced.unused(self.hour)
        if self.available(user) + credit + unused < basket.total:
            return refused("PaymentProcessorNotConfigured"), None
        if code:
            self.redeem(code, user)
        self._post(user, unused, "grant")
        self._post(user, -basket.total, "spend")
        self.orders.append(basket)
        self.subscriptions[tenant] = Paid(basket, self.hour)
        answer = Answer(len(self.orders) - 1, self.balance(user))
        if key:
            self.answers[user, key] = (request, self.hour + KEY_HOURS, answer)
        return NO_REFUSAL, answer

    # --- shared steps ---

    def _add_redemption(self, code: str, user: str, status: str) -> None:
        self.redemptions.append(Redemption(code, user, self.codes[code].terms.credit, status))

    def _grant(self, number: int) -> None:
        made = self.redemptions[number]
        self._post(made.user, made.credit, "grant", number)

    def _post(self, user: str, amount: int, kind: str, redemption: int | None = None) -> None:
        if amount:
            self.entries.setdefault(user, []).append(Entry(amount, kind, redemption))

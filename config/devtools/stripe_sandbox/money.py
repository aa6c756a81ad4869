"""Stripe's rules on amounts: the smallest unit, three-decimal currencies, minimum and maximum.

Reproduced: zero-decimal currencies count whole units; amounts of three-decimal currencies must end in 0 ("your
integration must round amounts to the nearest ten"), here for every amount that is given, which is stricter than
Stripe where a price alone is made; a charge has a minimum. Stripe lists minima for some currencies and asks for the
equivalent of 0.50 US dollars in the others: those figures are fixed here, without exchange rates.
"""

from decimal import Decimal

from config.devtools.stripe_sandbox.errors import StripeError, invalid

THREE_DECIMALS = frozenset(("bhd", "jod", "kwd", "omr", "tnd"))
ZERO_DECIMALS = frozenset(
    ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf")
)
TWO_DECIMALS = frozenset(("aed", "aud", "cad", "chf", "eur", "gbp", "inr", "qar", "sar", "usd"))
# The smallest charge. The last five are half a US dollar, rounded up to what is chargeable.
MINIMUM = {"usd": 50, "eur": 50, "gbp": 30, "aed": 200, "jpy": 50} | {
    "omr": 200,
    "bhd": 190,
    "jod": 360,
    "kwd": 160,
    "tnd": 1600,
}
DEFAULT_MINIMUM = 50
MAXIMUM = 99_999_999
CHARGEABLE_STEP = 10


def exponent(currency: str) -> int:
    """How many decimals Stripe gives the currency."""
    if currency in THREE_DECIMALS:
        return 3
    return 0 if currency in ZERO_DECIMALS else 2


def display(amount: int, currency: str) -> str:
    """The amount for people: `7.660 OMR`."""
    return f"{Decimal(amount).scaleb(-exponent(currency)):,.{exponent(currency)}f} {currency.upper()}"


def check_currency(currency: str, *, param: str) -> str:
    """The currency in lower case.

    Raises: StripeError for one that the sandbox does not know.
    """
    known = currency.lower()
    if known not in THREE_DECIMALS | ZERO_DECIMALS | TWO_DECIMALS:
        raise invalid(f"Invalid currency: {currency}.", param=param)
    return known


def check_amount(amount: int, currency: str, *, param: str, lowest: int = 0) -> int:
    """The amount, where it can be an amount of this currency at all.

    Raises: StripeError below `lowest`, above the maximum, or where a three-decimal amount does not end in 0. Stripe
    documents that last rule, but not the code of its error.
    """
    if amount < lowest:
        adjective = "positive" if lowest else "non-negative"
        raise invalid(f"Invalid {adjective} integer", param=param, code="parameter_invalid_integer")
    if amount > MAXIMUM:
        raise invalid(
            f"Amount must be no more than {display(MAXIMUM, currency)}", param=param, code="amount_too_large"
        )
    if currency in THREE_DECIMALS and amount % CHARGEABLE_STEP:
        raise invalid(
            f"Invalid integer: {amount}. Amounts in {currency.upper()} must be a multiple of {CHARGEABLE_STEP}: the"
            " least-significant digit of a three-decimal currency must be 0.",
            param=param,
            code="parameter_invalid_integer",
        )
    return amount


def too_small(currency: str) -> StripeError:
    """The refusal of a Checkout Session that costs something, but less than the least charge."""
    least = display(MINIMUM.get(currency, DEFAULT_MINIMUM), currency)
    return invalid(
        f"The Checkout Session's total amount due must add up to at least {least}", code="amount_too_small"
    )


def is_chargeable(amount: int, currency: str) -> bool:
    """Whether a charge of that much reaches the minimum."""
    return amount >= MINIMUM.get(currency, DEFAULT_MINIMUM)


def percentage(amount: int, percent: Decimal, currency: str) -> int:
    """That share of the amount, rounded down to what is chargeable."""
    step = CHARGEABLE_STEP if currency in THREE_DECIMALS else 1
    return int(Decimal(amount) * percent / 100 / step) * step


def shares(total: int, weights: list[int]) -> list[int]:
    """The total, split over the lines in proportion, to the last unit: largest remainders get what is over."""
    whole = sum(weights)
    if not whole:
        return [0] * len(weights)
    parts = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda index: (-(total * weights[index] % whole), index))
    for index in by_remainder[: total - sum(parts)]:
        parts[index] += 1
    return parts

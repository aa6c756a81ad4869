"""Stripe's rules on amounts: the smallest unit, three-decimal currencies, minimum and maximum.

Reproduced: zero-decimal currencies count whole units. Amounts of three-decimal currencies must end in 0 ("your
integration must round amounts to the nearest ten"); the sandbox requires that of every amount, which is stricter than
Stripe is for a price. A charge has a minimum. Stripe lists minima for some currencies and requires the equivalent of
0.50 US dollars in the others; here those figures are fixed, without exchange rates.
"""

from decimal import Decimal

from config.devtools.stripe_sandbox.protocol.errors import StripeError, invalid

THREE_DECIMALS = frozenset(("bhd", "jod", "kwd", "omr", "tnd"))
ZERO_DECIMALS = frozenset(
    ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf")
)
TWO_DECIMALS = frozenset(("aed", "aud", "cad", "chf", "eur", "gbp", "inr", "qar", "sar", "usd"))
# The smallest charge. The last five are half a US dollar, rounded up to what is chargeable.
MINIMUM_CHARGE = {"usd": 50, "eur": 50, "gbp": 30, "aed": 200, "jpy": 50} | {
    "omr": 200,
    "bhd": 190,
    "jod": 360,
    "kwd": 160,
    "tnd": 1600,
}
DEFAULT_MINIMUM_CHARGE = 50
MAX_AMOUNT = 99_999_999
CHARGEABLE_STEP = 10


def exponent(currency: str) -> int:
    """Return how many decimals the currency has at Stripe."""
    if currency in THREE_DECIMALS:
        return 3
    return 0 if currency in ZERO_DECIMALS else 2


def format_amount(amount: int, currency: str) -> str:
    """Format the amount for people: `7.660 OMR`."""
    return f"{Decimal(amount).scaleb(-exponent(currency)):,.{exponent(currency)}f} {currency.upper()}"


def check_currency(currency: str, *, param: str) -> str:
    """Return the currency in lower case.

    Raises: StripeError if the sandbox does not know it.
    """
    known = currency.lower()
    if known not in THREE_DECIMALS | ZERO_DECIMALS | TWO_DECIMALS:
        raise invalid(f"Invalid currency: {currency}.", param=param)
    return known


def check_amount(amount: int, currency: str, *, param: str, lowest: int = 0) -> int:
    """Return the amount if it is valid in this currency.

    Raises: StripeError below `lowest`, above the maximum, or if a three-decimal amount does not end in 0. Stripe
    documents that last rule, but not the code of its error.
    """
    if amount < lowest:
        adjective = "positive" if lowest else "non-negative"
        raise invalid(f"Invalid {adjective} integer", param=param, code="parameter_invalid_integer")
    if amount > MAX_AMOUNT:
        raise invalid(
            f"Amount must be no more than {format_amount(MAX_AMOUNT, currency)}", param=param, code="amount_too_large"
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
    """Make the refusal of a Checkout Session whose total is below the minimum charge."""
    least = format_amount(MINIMUM_CHARGE.get(currency, DEFAULT_MINIMUM_CHARGE), currency)
    return invalid(
        f"The Checkout Session's total amount due must add up to at least {least}", code="amount_too_small"
    )


def is_chargeable(amount: int, currency: str) -> bool:
    """Tell whether the amount reaches the minimum charge."""
    return amount >= MINIMUM_CHARGE.get(currency, DEFAULT_MINIMUM_CHARGE)


def percentage_of(amount: int, percent: Decimal, currency: str) -> int:
    """Return that percentage of the amount, rounded down to a chargeable amount."""
    step = CHARGEABLE_STEP if currency in THREE_DECIMALS else 1
    return int(Decimal(amount) * percent / 100 / step) * step


def split_in_proportion(total: int, weights: list[int]) -> list[int]:
    """Split the total in proportion to the weights, exactly. The largest remainders get the leftover units."""
    whole = sum(weights)
    if not whole:
        return [0] * len(weights)
    parts = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda index: (-(total * weights[index] % whole), index))
    for index in by_remainder[: total - sum(parts)]:
        parts[index] += 1
    return parts

"""Money: integers of the currency's smallest unit, and the one place where they are read and written.

A deployment has one currency (ISO 4217). Its exponent says how many decimals the smallest unit stands for:
1 OMR = 1000 baisa. Nothing is ever rounded on the way in: what does not fit the exponent is refused.
"""

from decimal import Decimal, InvalidOperation

MAX_MINOR = 10**12


class AmountError(ValueError):
    """What was given is not an amount of this currency; the text says why."""


# ISO 4217 minor units where they are not two.
_EXPONENTS = {
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF"), 0
    ),
    **dict.fromkeys(("XOF", "XPF"), 0),
}


def exponent(currency: str) -> int:
    """How many decimals the currency has: 3 for OMR, 2 for USD, 0 for JPY."""
    return _EXPONENTS.get(currency, 2)


def to_minor(amount: Decimal | int | str, *, currency: str) -> int:
    """The amount in the currency's smallest unit, exactly.

    Raises: AmountError for what is not a finite number, has more decimals than the currency, or is beyond
    `MAX_MINOR` either way.
    """
    try:
        value = Decimal(amount)
    except (InvalidOperation, ValueError, TypeError) as error:
        raise AmountError("an amount must be a number") from error
    if not value.is_finite():
        raise AmountError("an amount must be a finite number")
    # The magnitude is looked at before any arithmetic: 1E+999999 must be refused, not computed.
    if value and value.adjusted() + exponent(currency) > len(str(MAX_MINOR)):
        raise AmountError(f"an amount may not exceed {MAX_MINOR} of the currency's smallest unit")
    # Digits, not Decimal's arithmetic: that rounds what has more than 28 of them.
    sign, digits, power = value.as_tuple()
    shift = int(power) + exponent(currency)
    kept = max(len(digits) + min(shift, 0), 0)
    if any(digits[kept:]):
        raise AmountError(f"{currency} has at most {exponent(currency)} decimals")
    number = int("".join(map(str, digits[:kept])) or "0")
    minor = number * 10 ** (max(shift, 0) if number else 0)
    return within_limit(-minor if sign else minor)


def within_limit(minor: int) -> int:
    """The amount itself.

    Raises: AmountError beyond `MAX_MINOR` either way.
    """
    if abs(minor) > MAX_MINOR:
        raise AmountError(f"an amount may not exceed {MAX_MINOR} of the currency's smallest unit")
    return minor


def to_major(minor: int, *, currency: str) -> Decimal | int:
    """The amount in the currency itself; whole amounts are integers: 5000 baisa are 5, 5250 are 5.25."""
    value = Decimal(minor).scaleb(-exponent(currency))
    return int(value) if value == value.to_integral_value() else value.normalize()


def format_money(minor: int, *, currency: str) -> str:
    """The amount for people, all decimals shown: `5.250 OMR`."""
    return f"{Decimal(minor).scaleb(-exponent(currency)):,.{exponent(currency)}f} {currency}"

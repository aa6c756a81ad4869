"""Money as integers of the currency's smallest unit, and the only conversions to and from other forms.

A deployment has one currency, of those in `billing.currencies`. The currency's exponent is its number of decimals:
3 for OMR, where 1 OMR = 1000 baisa. Input is never rounded: an amount with more decimals is refused.
"""

from decimal import Decimal, InvalidOperation

from django.utils.translation import get_language, gettext

from billing.currencies import ARABIC_SIGNS, CURRENCIES

MAX_MINOR = 10**12

# They show nothing. The first makes an amount read from right to left, also inside English, and the second keeps a
# sign on the left of its figures.
_RIGHT_TO_LEFT, _LEFT_TO_RIGHT = "\u200f", "\u200e"


class AmountError(ValueError):
    """The value is not an amount of this currency. The text says why."""


def exponent(currency: str) -> int:
    """Returns how many decimals the currency has: 3 for OMR, 2 for USD, 0 for JPY.

    Events can name a currency that no deployment has; it is displayed with two decimals.
    """
    known = CURRENCIES.get(currency)
    return known.exponent if known else 2


def to_minor(amount: Decimal | int | str, *, currency: str) -> int:
    """Converts an amount of the currency to its smallest unit, exactly.

    Raises: AmountError if the amount is not a finite number, has more decimals than the currency, or is larger than
    `MAX_MINOR` in either direction.
    """
    try:
        value = Decimal(amount)
    except (InvalidOperation, ValueError, TypeError) as error:
        raise AmountError(gettext("an amount must be a number")) from error
    if not value.is_finite():
        raise AmountError(gettext("an amount must be a finite number"))
    # Check the magnitude before any arithmetic: 1E+999999 must be refused, not computed.
    if value and value.adjusted() + exponent(currency) > len(str(MAX_MINOR)):
        raise AmountError(
            gettext("an amount may not exceed %(number)s of the currency's smallest unit") % {"number": MAX_MINOR}
        )
    # Work on the digits. Decimal's own arithmetic rounds numbers with more than 28 of them.
    sign, digits, power = value.as_tuple()
    shift = int(power) + exponent(currency)
    kept = max(len(digits) + min(shift, 0), 0)
    if any(digits[kept:]):
        named = {"currency": currency, "number": exponent(currency)}
        raise AmountError(gettext("%(currency)s has at most %(number)s decimals") % named)
    number = int("".join(map(str, digits[:kept])) or "0")
    minor = number * 10 ** (max(shift, 0) if number else 0)
    return within_limit(-minor if sign else minor)


def within_limit(minor: int) -> int:
    """Returns the amount unchanged.

    Raises: AmountError if it is larger than `MAX_MINOR` in either direction.
    """
    if abs(minor) > MAX_MINOR:
        raise AmountError(
            gettext("an amount may not exceed %(number)s of the currency's smallest unit") % {"number": MAX_MINOR}
        )
    return minor


def to_major(minor: int, *, currency: str) -> Decimal | int:
    """Converts to the currency's main unit. Whole amounts become integers: 5000 baisa are 5, 5250 are 5.25."""
    value = Decimal(minor).scaleb(-exponent(currency))
    return int(value) if value == value.to_integral_value() else value.normalize()


def format_money(minor: int, *, currency: str) -> str:
    """Formats the amount for people, with all decimals: `5.250 OMR`."""
    return f"{Decimal(minor).scaleb(-exponent(currency)):,.{exponent(currency)}f} {currency}"


def local_money(minor: int, *, currency: str, signed: bool = False) -> str:
    """Formats the amount in the active language: `5.250 OMR`, or `5.250 ر.ع` in Arabic.

    Western digits in both: in Oman they are the usual ones of prices. Args: signed: a plus stands before a gain.
    """
    sign = "-" if minor < 0 else "+" if signed and minor > 0 else ""
    figures = format_money(abs(minor), currency=currency)
    if get_language() != "ar":
        return f"{sign}{figures}"
    number = figures.removesuffix(f" {currency}")
    mark = f"{_LEFT_TO_RIGHT}{sign}" if sign else ""
    return f"{_RIGHT_TO_LEFT}{mark}{number}\N{NO-BREAK SPACE}{ARABIC_SIGNS.get(currency, currency)}"

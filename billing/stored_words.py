"""Translates the sentences of acts, which proposals keep in English, for the console and the mails to staff."""

import re
from collections.abc import Callable
from itertools import zip_longest

from django.utils.translation import get_language, gettext, ngettext

from billing.language import say

# The more particular of two that fit stands first.
_SENTENCES = (
    "Grant %(amount)s to %(number)s customers: %(title)s",
    "Adjust the credit of %(customer)s by %(amount)s",
    "Move the credit of %(customer)s to %(address)s",
    "Move %(customer)s to %(address)s",
    "Import %(number)s vouchers: %(code)s …",
    "Hand out the printer's file of %(title)s",
    "Activate the batch %(title)s",
    "Activate cards of the batch %(title)s",
    "Approve the batch %(title)s",
    "Approve the campaign %(title)s",
    "Release the redemption of %(code)s by %(customer)s",
    "Change the budget of %(title)s",
    "Refund an order of %(customer)s",
    "Write off %(amount)s that %(customer)s owes",
    "Bring in the credit of %(customer)s from %(address)s",
    "Issue %(code)s",
    "Bring back %(code)s",
    "Change %(code)s",
    "%(title)s is started: %(number)s customers, %(amount)s.",
    "The credit of %(customer)s is adjusted by %(amount)s.",
    "The customer signs in as %(address)s now.",
    "%(number)s vouchers are issued; %(already)s were there already.",
    "The printer's file of %(title)s is handed out.",
    "%(title)s is active.",
    "%(title)s is approved.",
    "%(title)s is issued with these terms.",
    "The budget of %(title)s is %(amount)s.",
    "The redemption is released: its slot is free, and its credit was taken back.",
    "The refund was requested.",
    "The credit was returned.",
    "%(amount)s are written off.",
    "The credit is taken out. Write the file of move %(number)s.",
    "The credit from %(address)s is brought in.",
    "It was not carried out.",
    "It was changed, and not carried out.",
    "No one decided it in time.",
    "not known: %(reason)s",
    "Only into the balance, not with an order.",
    "Only with an order.",
    "Only for orders of at least %(amount)s.",
    "Only for a customer's first order.",
    "Only for e-mail addresses at %(names)s.",
    "Only for these customers: %(names)s.",
    "%(part)s of %(whole)s",
)
# The names of what an act changes, where no page of the console has them too.
NAMES = (
    "Cap, at most",
    "Cards that become active",
    "Credit granted, in all",
    "Credit of the redemption",
    "Credit that customers can redeem",
    "Encrypted to the printer's key",
    "New vouchers",
    "Only cards of",
    "Owed after a lost dispute",
    "SHA-256 of the file",
)
_RESTRICTIONS = "Restrictions"
_WORDS = {"yes", "no", "none", "unlimited", "retired", "live", "taken back"}
# What an act changes, where its values are words of the console.
_OF_WORDS = {"State", "Order", "Credit class", "VAT", "Kind of credit"}
_APPROVED = re.compile(r"(?P<reason>.*) \(approved by (?P<name>.+)\)", re.DOTALL)
_NUMBERS = {"number", "already", "part", "whole"}


def _pattern_of(sentence: str) -> re.Pattern[str]:
    parts = re.split(r"%\((\w+)\)s", sentence)
    values = (rf"(?P<{name}>{r'[0-9,]+' if name in _NUMBERS else '.+'})" for name in parts[1::2])
    return re.compile(
        "".join(each for pair in zip_longest(map(re.escape, parts[::2]), values, fillvalue="") for each in pair)
    )


_PATTERNS = {_pattern_of(sentence): sentence for sentence in _SENTENCES}


def say_stored(text: str) -> str:
    """Returns a stored sentence in the reader's language; as it is where no sentence fits."""
    if get_language() == "en":
        return text
    for pattern, sentence in _PATTERNS.items():
        if found := pattern.fullmatch(text):
            return say(sentence, **found.groupdict())
    return text


def say_reason(text: str) -> str:
    """Returns the reason of an act as it was given, and in the reader's language that it was approved."""
    found = _APPROVED.fullmatch(text)
    return say("%(reason)s (approved by %(name)s)", **found.groupdict()) if found else text


def say_stored_value(name: str, value: str) -> str:
    """Returns the value of what an act changes in the reader's language, where it is a word or a known sentence."""
    if name == _RESTRICTIONS:
        return " ".join(_say_restriction(sentence) for sentence in re.split(r"(?<=\.) ", value))
    return gettext(value) if name in _OF_WORDS or value in _WORDS else say_stored(value)


def _say_restriction(sentence: str) -> str:
    """Returns a sentence about a restriction in the reader's language; some depend on a number."""
    if found := _LIMIT.fullmatch(sentence):
        number = int((found["number"] or "1").replace(",", ""))
        return _LIMITS[found["period"]](number) % {"count": found["number"]}
    if found := _SOLD.fullmatch(sentence):
        names = found["names"]
        return _SOLD_ITEMS[found["kind"]](names.count(", ") + 1) % {"names": names}
    return say_stored(sentence)


_LIMIT = re.compile(
    r"At most (?:once|(?P<number>[0-9,]+) times) per customer(?P<period>| and day| and week| and month)\."
)
_LIMITS: dict[str, Callable[[int], str]] = {
    "": lambda number: ngettext("At most once per customer.", "At most %(count)s times per customer.", number),
    " and day": lambda number: ngettext(
        "At most once per customer and day.", "At most %(count)s times per customer and day.", number
    ),
    " and week": lambda number: ngettext(
        "At most once per customer and week.", "At most %(count)s times per customer and week.", number
    ),
    " and month": lambda number: ngettext(
        "At most once per customer and month.", "At most %(count)s times per customer and month.", number
    ),
}
_SOLD = re.compile(r"Only with (?:the|one of the) (?P<kind>plan|add-on)s? (?P<names>.+)\.")
_SOLD_ITEMS: dict[str, Callable[[int], str]] = {
    "plan": lambda number: ngettext("Only with the plan %(names)s.", "Only with one of the plans %(names)s.", number),
    "add-on": lambda number: ngettext(
        "Only with the add-on %(names)s.", "Only with one of the add-ons %(names)s.", number
    ),
}

"""The odds of guessing a card under the rate limits."""

from dataclasses import dataclass

from billing.language import say
from billing.use_cases.count_attempt import PREVIEWS, read_limit
from promos.errors import InvalidCardBatch
from promos.models import Batch
from promos.use_cases.cards.codes import SYMBOLS, count_random

# The scope and setting of the limit of a customer's refused codes.
REFUSED_CODES = ("refused code of customer", "REFUSED_CODE_RATE_LIMIT")
# Many customers can share an address, so it may send more refused codes than a customer may.
ADDRESS_ALLOWANCE = 10
# The guesser that a batch must withstand: from this many addresses, for a year, as fast as the limits allow.
GUESSING_ADDRESSES = 100
_YEAR_SECONDS = 365 * 86_400
# A batch is refused where that guesser finds a card with better odds than one in this many.
MIN_ODDS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class GuessingOdds:
    """One in `one_in` that the guesser finds a card of the batch; `needed` random characters would be enough."""

    one_in: int
    needed: int

    @property
    def is_safe(self) -> bool:
        return self.one_in >= MIN_ODDS


def guesses_of_a_year() -> int:
    """Returns how many codes the guesser can try in a year, in previews and as refused codes."""
    preview, refused = read_limit(*PREVIEWS), read_limit(*REFUSED_CODES)
    of_address = (
        preview.hits * _YEAR_SECONDS // preview.seconds
        + refused.hits * ADDRESS_ALLOWANCE * _YEAR_SECONDS // refused.seconds
    )
    return of_address * GUESSING_ADDRESSES


def compute_odds(*, pattern: str, alphabet: str, size: int) -> GuessingOdds:
    """Computes the odds that the guesser finds one of the batch's cards while all of them can be redeemed."""
    symbols, hits = len(SYMBOLS[Batch.Alphabet(alphabet)]), guesses_of_a_year() * size
    needed = 1
    while symbols**needed < hits * MIN_ODDS:
        needed += 1
    return GuessingOdds(one_in=symbols ** count_random(pattern) // hits, needed=needed)


def check_odds(*, pattern: str, alphabet: str, size: int) -> GuessingOdds:
    """Returns the odds. Raises: InvalidCardBatch where they are too good."""
    odds = compute_odds(pattern=pattern, alphabet=alphabet, size=size)
    if not odds.is_safe:
        raise InvalidCardBatch(fields={"pattern": [_explain(odds)]})
    return odds


def _explain(odds: GuessingOdds) -> str:
    values = {"addresses": GUESSING_ADDRESSES, "needed": odds.needed}
    if odds.one_in > 1:
        return say(
            "too easy to guess: a program that tries codes from %(addresses)s addresses for a year, as fast as the"
            " limits allow, finds a card with odds of 1 in %(one_in)s; %(needed)s random characters are enough",
            one_in=odds.one_in,
            **values,
        )
    return say(
        "too easy to guess: a program that tries codes from %(addresses)s addresses for a year, as fast as the limits"
        " allow, finds cards; %(needed)s random characters are enough",
        **values,
    )

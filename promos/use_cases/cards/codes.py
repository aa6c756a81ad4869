"""Random codes of a pattern."""

import os
import string

from promos.models import Batch

# Without the look-alikes 0 and O, 1 and I: 32 symbols, so that each takes five bits of a random byte.
SYMBOLS = {
    Batch.Alphabet.LETTERS: "23456789ABCDEFGHJKLMNPQRSTUVWXYZ",
    Batch.Alphabet.DIGITS: string.digits,
}
_BYTES = 256


def count_random(pattern: str) -> int:
    """Returns how many characters of the pattern are random."""
    return pattern.count("#")


def make_codes(*, pattern: str, alphabet: str, count: int) -> list[str]:
    """Makes random codes of a pattern, without its dashes. Some may be equal."""
    length, form = count_random(pattern), pattern.replace("-", "").replace("#", "%s")
    symbols = _random_symbols(SYMBOLS[Batch.Alphabet(alphabet)], length * count)
    if form == "%s" * length:
        return [symbols[first : first + length] for first in range(0, length * count, length)]
    return [form % tuple(symbols[first : first + length]) for first in range(0, length * count, length)]


def _random_symbols(symbols: str, count: int) -> str:
    """Returns random symbols, each as likely as the other: bytes beyond the last multiple are dropped."""
    usable = _BYTES - _BYTES % len(symbols)
    table = bytes(ord(symbols[byte % len(symbols)]) for byte in range(_BYTES))
    dropped = bytes(range(usable, _BYTES))
    made = b""
    while len(made) < count:
        made += os.urandom(count - len(made)).translate(table, dropped)
    return made.decode("ascii")

"""The stored form of the code of a secret batch's card: a keyed hash, from which nobody can tell the code.

The key is derived from CARD_CODE_SECRET, which no database holds. A hash begins with a character that no code has.
"""

import base64
import hashlib
import hmac

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

HASH_MARK = "~"
_HASH_BYTES = 20
_PURPOSE = b"qasima.promos.secret_card.v1"
_keys: dict[str, bytes] = {}


class StoredCode(str):
    """A stored code, found by the code that a customer entered. Functions that normalize entered codes keep it."""

    __slots__ = ()


def has_code_secret() -> bool:
    """Returns whether this Sovereign can make secret batches, and find their cards."""
    return bool(settings.CARD_CODE_SECRET)


def hash_card_code(code: str) -> StoredCode:
    """Returns the form in which a new card's code is stored. Args: code: without dashes, upper-case."""
    return _hash(code, settings.CARD_CODE_SECRET)


def hashes_of_card_code(code: str) -> list[str]:
    """Returns the forms in which a card's code may be stored, under the present secret and under earlier ones."""
    secrets = [settings.CARD_CODE_SECRET, *settings.CARD_CODE_SECRET_FALLBACKS]
    return [_hash(code, secret) for secret in secrets if secret]


def _hash(code: str, secret: str) -> StoredCode:
    digest = hmac.digest(_key(secret), code.encode(errors="replace"), hashlib.sha256)[:_HASH_BYTES]
    # In lower case, so that no search for the last characters of an open code finds one.
    return StoredCode(HASH_MARK + base64.b32encode(digest).decode().lower())


def _key(secret: str) -> bytes:
    if secret not in _keys:
        _keys[secret] = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret.encode())
    return _keys[secret]

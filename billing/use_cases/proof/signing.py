"""The Ed25519 key that signs heads, derived from LEDGER_SIGNING_SECRET, which no database holds."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

_PURPOSE = b"qasima.billing.ledger_head.v1"


def signing_key() -> Ed25519PrivateKey | None:
    """Returns the key that signs heads now, or none where no secret is set."""
    return _derive(settings.LEDGER_SIGNING_SECRET) if settings.LEDGER_SIGNING_SECRET else None


def public_keys() -> dict[str, Ed25519PublicKey]:
    """Returns the trusted keys, the current one and its predecessors, by their hexadecimal text."""
    secrets = [settings.LEDGER_SIGNING_SECRET, *settings.LEDGER_SIGNING_SECRET_FALLBACKS]
    keys = [_derive(secret).public_key() for secret in secrets if secret]
    return {as_text(key): key for key in keys}


def as_text(key: Ed25519PublicKey) -> str:
    """Formats a public key as 64 hexadecimal digits."""
    return key.public_bytes_raw().hex()


def is_signed(*, statement: str, signature: bytes, public_key: str) -> bool:
    """Returns whether a trusted key signed the statement; `public_key` says which one it should be."""
    key = public_keys().get(public_key)
    if key is None:
        return False
    try:
        key.verify(signature, statement.encode())
    except InvalidSignature:
        return False
    return True


def _derive(secret: str) -> Ed25519PrivateKey:
    seed = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret.encode())
    return Ed25519PrivateKey.from_private_bytes(seed)

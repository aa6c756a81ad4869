"""Encrypts the secrets of authenticator apps, which the database holds, with a key derived from SECRET_KEY."""

from billing.use_cases.secret_cipher import make_cipher

_PURPOSE = b"qasima.billing.second_factors.v1"


def encrypt_secret(text: str) -> str:
    """Encrypts with the present SECRET_KEY."""
    return make_cipher(_PURPOSE).encrypt(text.encode()).decode()


def decrypt_secret(encrypted: str) -> str:
    """Decrypts, also what an earlier SECRET_KEY in SECRET_KEY_FALLBACKS encrypted."""
    return make_cipher(_PURPOSE).decrypt(encrypted.encode()).decode()

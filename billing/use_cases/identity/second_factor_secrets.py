"""Encrypts the secrets of authenticator apps, which the database holds, with a key derived from SECRET_KEY."""

from base64 import urlsafe_b64encode

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.utils.crypto import salted_hmac


def encrypt_secret(text: str) -> str:
    """Encrypts with the present SECRET_KEY."""
    return _cipher().encrypt(text.encode()).decode()


def decrypt_secret(encrypted: str) -> str:
    """Decrypts, also what an earlier SECRET_KEY in SECRET_KEY_FALLBACKS encrypted."""
    return _cipher().decrypt(encrypted.encode()).decode()


def _cipher() -> MultiFernet:
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return MultiFernet(
        [
            Fernet(
                urlsafe_b64encode(
                    salted_hmac("secrets of second factors", "1", secret=secret, algorithm="sha256").digest()
                )
            )
            for secret in secrets
        ]
    )

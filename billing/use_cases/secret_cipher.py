import base64

from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


def make_cipher(purpose: bytes) -> MultiFernet:
    """Makes a cipher that encrypts with a key derived from SECRET_KEY, and also decrypts with its predecessors.

    Args: purpose: part of every derived key; changing it makes all secrets of that purpose unreadable.
    """
    return MultiFernet(
        [Fernet(_derive(key, purpose)) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    )


def _derive(secret: str, purpose: bytes) -> bytes:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret.encode())
    return base64.urlsafe_b64encode(key)

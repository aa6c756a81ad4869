from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from billing.errors import InvalidAddress
from billing.text import normal_email

_MAX_LENGTH = 254


def normalize_address(text: str) -> str:
    """Returns the e-mail address trimmed and lower-cased, as it is stored and compared everywhere.

    Raises: InvalidAddress.
    """
    address = normal_email(text)
    try:
        validate_email(address)
    except ValidationError as error:
        raise InvalidAddress(fields={"email": ["enter an e-mail address"]}) from error
    if len(address) > _MAX_LENGTH:
        raise InvalidAddress(fields={"email": ["enter an e-mail address"]})
    return address

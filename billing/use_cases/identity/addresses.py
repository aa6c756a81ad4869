from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, validate_email

from billing.errors import InvalidAddress
from billing.text import MAX_EMAIL_LENGTH, normal_email


def normalize_address(text: str) -> str:
    """Returns the e-mail address trimmed and lower-cased, as it is stored and compared everywhere.

    Raises: InvalidAddress.
    """
    address = normal_email(text)
    try:
        validate_email(address)
        MaxLengthValidator(MAX_EMAIL_LENGTH)(address)
    except ValidationError as error:
        raise InvalidAddress(fields={"email": ["enter an e-mail address"]}) from error
    return address

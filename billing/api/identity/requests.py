"""The bodies of requests to the identity endpoints."""

from django.core.validators import RegexValidator

from billing.api.fields import RequestSerializer, TextField
from billing.text import MAX_EMAIL_LENGTH

_MAX_TOKEN_LENGTH = 200


class AddressSerializer(RequestSerializer):
    email = TextField(max_length=MAX_EMAIL_LENGTH, help_text="Trimmed and lower-cased.")


class SecondFactorSerializer(AddressSerializer):
    otp = TextField(
        max_length=20,
        required=False,
        allow_blank=True,
        help_text="A code of the authenticator app, or a recovery code, where a second factor is enrolled.",
    )


class MailedCodeSerializer(SecondFactorSerializer):
    code = TextField(max_length=20, help_text="The 6 digits of the mail.")


class PasswordSerializer(SecondFactorSerializer):
    password = TextField(max_length=200, trim_whitespace=False)


class RefreshSerializer(RequestSerializer):
    refresh_token = TextField(
        max_length=_MAX_TOKEN_LENGTH, validators=[RegexValidator(r"\A[!-~]+\Z", "this is no refresh token")]
    )

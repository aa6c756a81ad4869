"""The mail URL is parsed strictly, and no error message repeats it, because it holds a password."""

import pytest

from config.parts.mail import DUMMY_BACKEND, mail_settings

SMTP = "django.core.mail.backends.smtp.EmailBackend"


def test_a_url_is_parsed() -> None:
    assert mail_settings("smtp+tls://post:p%40ss@mail.example:587") == {
        "EMAIL_BACKEND": SMTP,
        "EMAIL_HOST": "mail.example",
        "EMAIL_PORT": 587,
        "EMAIL_HOST_USER": "post",
        "EMAIL_HOST_PASSWORD": "p@ss",
        "EMAIL_USE_TLS": True,
        "EMAIL_USE_SSL": False,
    }


def test_without_a_url_no_mail_is_sent() -> None:
    assert mail_settings("")["EMAIL_BACKEND"] == DUMMY_BACKEND


def test_a_console_needs_no_host() -> None:
    assert mail_settings("consolemail://")["EMAIL_BACKEND"].endswith("console.EmailBackend")


@pytest.mark.parametrize(
    "url", ["nonsense", "http://post:secret@mail.example", "smtp://", "smtp://post:secret@h:abc"]
)
def test_another_url_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="EMAIL_URL") as refused:
        mail_settings(url)
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None

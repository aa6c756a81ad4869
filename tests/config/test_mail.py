"""The mail URL is parsed strictly, and no error message repeats it, because it holds a password."""

import io

import pytest
from django.core.mail import EmailMultiAlternatives

from config.devtools.terminal_mail import EmailBackend
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


def test_the_terminal_shows_the_text_and_what_is_attached() -> None:
    message = EmailMultiAlternatives("Your code", "Your code is 123456.\n", to=["ada@example.org"])
    message.attach_alternative("<p>Your code is 123456.</p>", "text/html")
    message.attach("INV-1.pdf", b"%PDF", "application/pdf")
    stream = io.StringIO()
    EmailBackend(stream=stream).send_messages([message])
    assert stream.getvalue() == (
        f"To: ada@example.org\nSubject: Your code\nAttached: INV-1.pdf\n\nYour code is 123456.\n{'-' * 79}\n"
    )

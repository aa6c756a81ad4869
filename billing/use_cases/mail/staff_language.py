"""The language of mails to staff: the one in which they read the console last."""

from django.conf import settings

from billing.language import requested_language
from billing.models import User


def remember_staff_language(user: User) -> None:
    """Stores the language that the console's request asks for, where it is another one.

    Transaction: joins. Idempotency: yes.
    """
    language = requested_language()
    if language and language != (user.language or settings.LANGUAGE_CODE):
        User.objects.filter(pk=user.pk).update(language=language)


def language_of_staff(address: str) -> str:
    """Returns the language of the mails to an address; empty for the default."""
    staff = User.objects.filter(email__iexact=address, is_staff=True, is_active=True).exclude(language="")
    return staff.order_by("pk").values_list("language", flat=True).first() or ""

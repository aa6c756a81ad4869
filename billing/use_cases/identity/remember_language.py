from collections import OrderedDict

from billing.language import requested_language
from billing.models import Customer

MAX_REMEMBERED = 10_000
_remembered: OrderedDict[str, str] = OrderedDict()


def remember_language(*, user_id: str) -> None:
    """Stores the language that the request asks for as that of the customer's mails.

    A client that asks for no language changes nothing. Transaction: joins. Idempotency: yes.
    """
    if language := requested_language():
        Customer.objects.filter(user_id=user_id).exclude(language=language).update(language=language)


def remember_language_of_act(*, user_id: str) -> None:
    """Stores the language as `remember_language`, unless this process has stored the same before.

    Frequent acts call it, so that it costs them nothing. Transaction: none.
    """
    language = requested_language()
    if not language or _remembered.get(user_id) == language:
        return
    remember_language(user_id=user_id)
    _remembered[user_id] = language
    if len(_remembered) > MAX_REMEMBERED:
        _remembered.popitem(last=False)


def forget_languages() -> None:
    """Forgets which languages this process has stored."""
    _remembered.clear()

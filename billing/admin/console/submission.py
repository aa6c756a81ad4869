"""A form of the console takes effect at most once, and only on the records that its page showed.

Each form carries a token: a random id, and a fingerprint of each record as the page showed it, signed for this form
and this member of staff. One transaction stores the id, compares the fingerprint under the record's lock, and makes
the change. The same form sent twice, at the same moment or later by the Back button, finds the stored id and gets the
result of the first. A form whose record has changed since is refused.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core import signing
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext

from billing.admin.console.forms import refuse_when_busy, show_refusals_on
from billing.admin.console.request_actor import staff_of
from billing.errors import FormExpired, RecordChanged, SubmissionInProgress
from billing.models import FormSubmission
from billing.models.keys import uuid7
from billing.stored_words import say_stored

TOKEN_FIELD = "form_token"  # noqa: S105 - the name of an input
# A page cannot be submitted after its session has ended. Its id is stored for as long again.
TOKEN_LIFE = timedelta(seconds=settings.SESSION_COOKIE_AGE)
_FINGERPRINT_LENGTH = 16


class Done(NamedTuple):
    """The result of a form: a sentence about it, and the page that shows it."""

    message: str
    url: str


class Submission:
    """A form on its way: shown with a token, sent back with it, and carried out once.

    Args: form_name: one name for each form of the console. seen: the state of the record that the page shows, or the
    states of several by their ids.
    """

    def __init__(self, request: HttpRequest, form_name: str, seen: object) -> None:
        states = seen if isinstance(seen, Mapping) else {"": seen}
        self._request = request
        self._salt = f"console:{form_name}:{staff_of(request).pk}"
        self._sent = self._read_token()
        self._form_id, self._seen = self._sent or (
            uuid7(),
            {str(part): _fingerprint(state) for part, state in states.items()},
        )

    @property
    def token(self) -> str:
        """The token for the page. A form that is shown again with an error keeps its token."""
        return signing.dumps((self._form_id.hex, self._seen), salt=self._salt, compress=True)

    def run_once(
        self, *, lock_state: Callable[[], object], effect: Callable[[], Done], part: str = ""
    ) -> tuple[Done, bool]:
        """Makes the change, unless this form made it before.

        Args: lock_state: locks the record and returns its state. part: the record's id, where the form has several.
        Returns: the result, and whether it is an earlier one.
        Raises: FormExpired, RecordChanged, Busy, and what the effect raises. Transaction: owns.
        """
        with refuse_when_busy(), transaction.atomic():
            # Races with the same form, sent twice: the second waits here until the first has committed.
            stored, is_first = self._store(part)
            if not is_first:
                return Done(stored.result, stored.url), True
            if _fingerprint(lock_state()) != self._seen[part]:
                raise RecordChanged
            done = effect()
            _store_result(stored, done)
            return done, False

    def run_once_with_calls(
        self, *, read_state: Callable[[], object], effect: Callable[[], Done]
    ) -> tuple[Done, bool]:
        """Makes a change that calls another service, and therefore owns its transactions, unless it was made before.

        The form's id is committed first. If the process dies before the effect ends, sending the form again raises
        SubmissionInProgress: the effect may have begun, and must not begin twice.

        Raises: FormExpired, RecordChanged, SubmissionInProgress, and what the effect raises.
        """
        stored, is_first = self._store()
        if not is_first:
            if not stored.result:
                raise SubmissionInProgress
            return Done(stored.result, stored.url), True
        try:
            if _fingerprint(read_state()) != self._seen[""]:
                raise RecordChanged
            done = effect()
        except BaseException:
            stored.delete()
            raise
        _store_result(stored, done)
        return done, False

    def submit(
        self,
        form: forms.BaseForm,
        *,
        lock_state: Callable[[], object],
        effect: Callable[[], Done],
        fields: Mapping[str, str] | None = None,
        with_calls: bool = False,
    ) -> HttpResponse | None:
        """Runs a valid form once. Returns the redirect to the result; None if the form now shows a refusal.

        Args: fields: as for `show_refusals_on`. with_calls: whether the effect calls another service.
        """
        answer = None
        with show_refusals_on(form, fields=fields):
            if with_calls:
                done, is_repeated = self.run_once_with_calls(read_state=lock_state, effect=effect)
            else:
                done, is_repeated = self.run_once(lock_state=lock_state, effect=effect)
            tell(self._request, done, is_repeated=is_repeated)
            answer = HttpResponseRedirect(done.url)
        return answer

    def _store(self, part: str = "") -> tuple[FormSubmission, bool]:
        """Stores the form's id. Returns its row, and whether the row is new. Raises: FormExpired."""
        if self._sent is None or part not in self._seen:
            raise FormExpired
        return FormSubmission.objects.get_or_create(
            form_id=self._form_id, part=part, defaults={"expires_at": timezone.now() + TOKEN_LIFE}
        )

    def _read_token(self) -> tuple[UUID, dict[str, str]] | None:
        """Returns the id and the fingerprints of the token that was sent; None without a valid one."""
        if self._request.method != "POST":
            return None
        try:
            form_id, seen = signing.loads(
                self._request.POST.get(TOKEN_FIELD, ""), salt=self._salt, max_age=TOKEN_LIFE
            )
        except signing.BadSignature:
            return None
        return UUID(form_id), seen


def tell(request: HttpRequest, done: Done, *, is_repeated: bool) -> None:
    """Tells the member of staff what a form did, or that it was done already."""
    message = say_stored(gettext(done.message))
    if is_repeated:
        text = gettext("This was done already, and was not done again: %(message)s")
        messages.info(request, text % {"message": message})
    else:
        messages.success(request, message)


def _store_result(stored: FormSubmission, done: Done) -> None:
    stored.result, stored.url = done
    stored.save(update_fields=["result", "url"])


def _fingerprint(state: Any) -> str:
    text = json.dumps(state, default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_FINGERPRINT_LENGTH]

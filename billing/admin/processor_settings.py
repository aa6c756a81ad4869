"""The page of the card processor's keys: which are set, and a form to change them. It never shows a secret."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from billing.admin.console.base import ConsoleAdmin
from billing.admin.console.display import NOTHING, Fact, Text, badge, list_url, moment
from billing.admin.console.forms import TranslatedForm, reason_field
from billing.admin.console.pages import form_page
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Done, Submission
from billing.errors import ProcessorSettingsUnreadable
from billing.language import say, say_lazily
from billing.models import ProcessorSettings
from billing.use_cases.processor_settings import MAX_KEY_LENGTH, change_processor_keys, last4, processor_keys

_TITLES = {
    "stripe_secret_key": "Secret key",
    "stripe_webhook_secret": "Webhook secret",
    "stripe_public_key": "Public key",
}
_UNCHANGED = "Leave empty to keep the current value."


def _key_field(title: str, *, secret: bool) -> forms.CharField:
    widget = UnfoldAdminPasswordWidget if secret else UnfoldAdminTextInputWidget
    return forms.CharField(
        label=title,
        required=False,
        max_length=MAX_KEY_LENGTH,
        help_text=_UNCHANGED,
        widget=widget(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


def _clear_field(title: str) -> forms.BooleanField:
    return forms.BooleanField(
        label=say_lazily("Clear: %(key)s", key=say_lazily(title)), required=False, widget=UnfoldBooleanWidget()
    )


class KeysForm(TranslatedForm, forms.Form):
    """New keys. An empty input changes nothing, so each key has a separate box to clear it."""

    stripe_secret_key = _key_field(_TITLES["stripe_secret_key"], secret=True)
    clear_stripe_secret_key = _clear_field(_TITLES["stripe_secret_key"])
    stripe_webhook_secret = _key_field(_TITLES["stripe_webhook_secret"], secret=True)
    clear_stripe_webhook_secret = _clear_field(_TITLES["stripe_webhook_secret"])
    stripe_public_key = _key_field(_TITLES["stripe_public_key"], secret=False)
    clear_stripe_public_key = _clear_field(_TITLES["stripe_public_key"])
    reason = reason_field()

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for name, title in _TITLES.items():
            if data.get(name) and data.get(f"clear_{name}"):
                self.add_error(name, say("Enter a new key or clear it, not both: %(key)s.", key=say(title)))
        if not self.errors and not self.changed():
            self.add_error(None, "Enter a new key, or choose one to clear.")
        return data

    def changed(self) -> dict[str, str]:
        """Returns the keys to set, and those to clear as empty texts."""
        data = self.cleaned_data
        return {name: data[name] for name in _TITLES if data.get(name) or data.get(f"clear_{name}")}


@admin.register(ProcessorSettings)
class ProcessorSettingsAdmin(ConsoleAdmin):
    """A single page, because the table has at most one row."""

    noun, nouns = "card payments", "card payments"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @method_decorator(sensitive_post_parameters())
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        form = KeysForm(request.POST if request.method == "POST" else None)
        submission = Submission(request, "billing_processorsettings:change", _changed_at())

        def change() -> Done:
            change_processor_keys(by=actor_of(request), reason=form.cleaned_data["reason"], **form.changed())
            return Done("The keys are changed. The change is already in effect.", list_url(self.model_label))

        if form.is_valid() and (
            answer := submission.submit(form, lock_state=lambda: _changed_at(lock=True), effect=change)
        ):
            return answer
        return form_page(
            self,
            request,
            title="Stripe keys",
            form=form,
            submission=submission,
            submit="Change the keys",
            back=reverse("admin:index"),
            facts=_facts(),
            warning="A change takes effect at once, for every customer. A key set here replaces the environment's.",
        )

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Redirects to the page of the keys: the row has no form, since its columns are encrypted."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(list_url(self.model_label))


def _changed_at(*, lock: bool = False) -> datetime | None:
    # Races with another superadmin's change.
    rows = ProcessorSettings.objects.select_for_update() if lock else ProcessorSettings.objects.all()
    row = rows.filter(id=ProcessorSettings.ONLY).first()
    return row.updated_at if row else None


def _facts() -> Iterable[Fact]:
    try:
        keys = processor_keys()
    except ProcessorSettingsUnreadable as error:
        yield Fact("State", badge("unreadable", "bad"))
        yield Fact("Why", error.text)
        return
    yield Fact("Secret key", _ending(keys.secret_key))
    yield Fact("Webhook secret", _ending(keys.webhook_secret))
    yield Fact("Public key", keys.public_key or NOTHING)
    changed = moment(keys.updated_at) if keys.updated_at else say("not yet: the environment's keys apply")
    yield Fact("Changed", changed)


def _ending(secret: str) -> Text:
    return say("set, ends in %(end)s", end=last4(secret)) if secret else badge("not set", "warn")

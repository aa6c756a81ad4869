"""Form fields of the console (amounts, times in UTC, a reason), and the display of refusals on their fields."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.conf import settings
from django.db import OperationalError
from django.utils.text import capfirst
from psycopg import errors as postgres
from unfold.widgets import INPUT_CLASSES, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from billing.errors import Busy, DomainError
from billing.money import AmountError, format_money, to_major, to_minor

REASON_LENGTH = 500
_AMOUNT = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{1,20})?")
_TIMES = ("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S")
_YEARS = range(2000, 2100)


class AmountField(forms.CharField):
    """An amount in the deployment's currency. Its cleaned value is in the smallest unit."""

    def __init__(self, **options: Any) -> None:
        attrs = {"inputmode": "decimal", "autocomplete": "off", "maxlength": 40}
        super().__init__(widget=UnfoldAdminTextInputWidget(attrs=attrs), **options)

    def to_python(self, value: object) -> Any:
        text = str(super().to_python(value))
        if text in self.empty_values:
            return None
        currency = settings.SOVEREIGN_CURRENCY
        if not _AMOUNT.fullmatch(text):
            example = to_major(5_250, currency=currency)
            raise forms.ValidationError(f"Write the amount in figures, with a point for decimals: {example}")
        try:
            return to_minor(text, currency=currency)
        except AmountError as error:
            raise forms.ValidationError(capfirst(str(error))) from error

    def run_validators(self, value: Any) -> None:
        """Skips the length validators: `to_python` has validated the text, and the value is now a number."""

    def prepare_value(self, value: Any) -> Any:
        """Formats a stored amount as a person would type it: `50.000`."""
        if not isinstance(value, int):
            return value
        currency = settings.SOVEREIGN_CURRENCY
        return format_money(value, currency=currency).removesuffix(f" {currency}").replace(",", "")


class MomentField(forms.DateTimeField):
    """A time in UTC, to the minute, entered with the browser's date picker."""

    def __init__(self, **options: Any) -> None:
        widget = forms.DateTimeInput(
            attrs={"type": "datetime-local", "class": " ".join(INPUT_CLASSES)}, format="%Y-%m-%dT%H:%M"
        )
        super().__init__(widget=widget, required=False, **options)

    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values or isinstance(value, datetime):
            return value or None
        for form in _TIMES:
            try:
                found = datetime.strptime(str(value).strip(), form).replace(tzinfo=UTC)
            except ValueError:
                continue
            if found.year in _YEARS:
                return found
            raise forms.ValidationError(f"The year must be from {_YEARS[0]} to {_YEARS[-1]}.")
        raise forms.ValidationError("Write the time as 2026-12-31 23:59, in UTC.")

    def prepare_value(self, value: Any) -> Any:
        return value.astimezone(UTC) if isinstance(value, datetime) else value


def reason_field(*, length: int = REASON_LENGTH) -> forms.CharField:
    """Makes the input for the reason that every change of a code, a balance or a role requires."""
    return forms.CharField(
        label="Reason",
        max_length=length,
        help_text="Recorded together with your name, the time and your address.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2, "wide": True}),
    )


class ReasonForm(forms.Form):
    """A confirmation that asks only for a reason."""

    reason = reason_field()


@contextmanager
def refuse_when_busy() -> Iterator[None]:
    """Raises a refusal if a lock could not be taken in time. Nothing was changed.

    Raises: Busy.
    """
    try:
        yield
    except OperationalError as error:
        if isinstance(error.__cause__, postgres.LockNotAvailable | postgres.DeadlockDetected):
            raise Busy(retry_after=1) from error
        raise


@contextmanager
def show_refusals_on(form: forms.BaseForm, *, fields: Mapping[str, str] | None = None) -> Iterator[None]:
    """Shows a refusal on the field at fault, or above the form. The form is invalid afterwards.

    Args: fields: error code → field, for refusals that name no field themselves.
    """
    try:
        with refuse_when_busy():
            yield
    except DomainError as error:
        for name, sentences in (error.fields or {}).items():
            for sentence in sentences:
                form.add_error(name if name in form.fields else None, as_sentence(sentence))
        if not error.fields:
            form.add_error((fields or {}).get(error.code), as_sentence(error.text))


def as_sentence(text: str) -> str:
    """Writes an error's text as a sentence of the console: with a capital letter and a full stop."""
    return capfirst(text if text.endswith(".") else f"{text}.")


def refused_form(form: type[Any], refusal: str) -> type[Any]:
    """Derives a form that is always invalid, and shows the refusal above its inputs."""

    def clean(self: Any) -> Any:
        data = form.clean(self)
        self.add_error(None, refusal)
        return data

    return type(form.__name__, (form,), {"clean": clean})

"""Form fields of the console (amounts, times, a reason), and the display of refusals on their fields."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.db import OperationalError
from django.utils.functional import cached_property, lazy
from django.utils.text import capfirst
from django.utils.translation import gettext
from psycopg import errors as postgres
from unfold.widgets import (
    INPUT_CLASSES,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from billing.admin.console.words import translate_error, translate_form
from billing.errors import Busy, DomainError
from billing.local_time import local_zone, to_local
from billing.money import AmountError, format_money, to_major, to_minor
from billing.text import as_sentence
from billing.use_cases.bulk.csv_rows import MAX_FILE_BYTES

REASON_LENGTH = 500
_CSV_FORMAT = "As a spreadsheet saves CSV, with commas or semicolons."
_AMOUNT = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{1,20})?")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?")
# A browser's time has milliseconds.
_MICROSECONDS_SHOWN = 1000

if TYPE_CHECKING:
    _Base = Any
else:
    _Base = object


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
            raise forms.ValidationError(
                gettext("Write the amount in figures, with a point for decimals: %(example)s") % {"example": example}
            )
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


def with_currency(title: str) -> Any:
    """Returns the label of an amount, with the deployment's currency. It is lazy, since forms are made at import."""
    return lazy(lambda: f"{gettext(title)} ({settings.SOVEREIGN_CURRENCY})", str)()


class MomentField(forms.DateTimeField):
    """A time in the Sovereign's time zone, entered with the browser's date picker."""

    def __init__(self, **options: Any) -> None:
        attrs = {"type": "datetime-local", "step": "1", "class": " ".join(INPUT_CLASSES)}
        super().__init__(widget=forms.TextInput(attrs=attrs), required=False, **options)
        # The attribute would be lost beside the input's own type.
        self.widget.input_type = "datetime-local"

    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values or isinstance(value, datetime):
            return value or None
        try:
            if not _TIME.fullmatch(str(value)):
                raise ValueError(value)
            return datetime.fromisoformat(str(value)).replace(tzinfo=local_zone()).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            zone = settings.SOVEREIGN_TIME_ZONE
            raise forms.ValidationError(
                gettext("Write the time as 2026-12-31 23:59, in %(zone)s.") % {"zone": zone}
            ) from error

    def prepare_value(self, value: Any) -> Any:
        """Formats a stored time as short as a browser would, with seconds and milliseconds if there are any."""
        if not isinstance(value, datetime):
            return value
        local = to_local(value).replace(tzinfo=None)
        if local.microsecond >= _MICROSECONDS_SHOWN:
            return local.isoformat(timespec="milliseconds").rstrip("0")
        return local.isoformat(timespec="seconds" if local.second else "minutes")


class CsvField(forms.FileField):
    """A CSV file. Its cleaned value is the file's content, empty without a file."""

    def __init__(self, *, columns: str, **options: Any) -> None:
        # The skin's script expects the markup of the skin's own widget around every file input.
        widget = UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.txt,text/csv"})
        super().__init__(
            label="CSV file",
            widget=widget,
            help_text=lazy(lambda: f"{gettext(columns)} {gettext(_CSV_FORMAT)}", str)(),
            **options,
        )

    def clean(self, data: Any, initial: Any = None) -> bytes:
        found = super().clean(data, initial)
        if not found:
            return b""
        if found.size > MAX_FILE_BYTES:
            raise forms.ValidationError(gettext("At most %(number)s bytes.") % {"number": f"{MAX_FILE_BYTES:,}"})
        content: bytes = found.read()
        return content


class TranslatedForm(_Base):  # type: ignore[misc]
    """A form that speaks the language of its reader."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        translate_form(self)

    def add_error(self, field: str | None, error: Any) -> None:
        super().add_error(field, translate_error(error))


class UneditedValues(TranslatedForm):
    """Keeps the stored value of each input that was not edited, whatever the browser and the field make of it.

    A browser writes line breaks as two characters, and a field shows less than is stored: fractions of a second, or a
    value that a later rule would refuse. So an input that comes back as it was shown counts as not sent.
    """

    data: Any

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.is_bound:
            sent: Any = self.data.copy()
            for name, field in self.fields.items():
                key = self.add_prefix(name)
                if isinstance(field.widget, forms.Textarea) and key in sent:
                    sent[key] = _with_newlines(sent[key])
            self.data = sent

    @cached_property
    def unedited(self) -> frozenset[str]:
        """The inputs that came back as they were shown."""
        instance = getattr(self, "instance", None)
        if instance is not None and instance._state.adding:
            return frozenset()
        return frozenset(name for name in self.fields if name in self.initial and self._is_as_shown(name))

    def _is_as_shown(self, name: str) -> bool:
        bound = self[name]
        widget, sent = bound.field.widget, bound.data
        is_text = isinstance(widget, forms.Textarea | forms.widgets.Input) and not isinstance(
            widget, forms.CheckboxInput
        )
        if not is_text or not isinstance(sent, str):
            return False
        shown = widget.format_value(bound.field.prepare_value(bound.initial))
        shown = _with_newlines("" if shown is None else str(shown))
        if isinstance(widget, forms.Textarea):
            # A browser takes a line break after the opening tag for part of the page.
            return sent.lstrip("\n") == shown.lstrip("\n")
        # A browser removes line breaks from a line, and the blanks around an address or a number.
        return sent.replace("\n", "").strip() == shown.replace("\n", "").strip()

    def _clean_fields(self) -> None:
        super()._clean_fields()
        for name in self.unedited:
            self._errors.pop(name, None)
            self.cleaned_data[name] = self.get_initial_for_field(self.fields[name], name)

    @cached_property
    def changed_data(self) -> list[str]:
        return [name for name in super().changed_data if name not in self.unedited]

    def _post_clean(self) -> None:
        super()._post_clean()
        # A model's `clean` may write its fields anew. A field that the form refused has no value.
        own = set(getattr(getattr(self, "_meta", None), "fields", None) or ())
        for name in self.unedited & own & self.cleaned_data.keys():
            setattr(self.instance, name, self.cleaned_data[name])

    def _get_validation_exclusions(self) -> set[str]:
        excluded: set[str] = super()._get_validation_exclusions()
        return excluded | self.unedited


class ConsoleForm(UneditedValues, forms.Form):
    """A form of the console that is not made from a model."""

    # The fields of the part that is folded at first.
    folded: tuple[str, ...] = ()


def _with_newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def reason_field(*, length: int = REASON_LENGTH) -> forms.CharField:
    """Makes the input for the reason that every change of a code, a balance or a role requires."""
    return forms.CharField(
        label="Reason",
        max_length=length,
        help_text="Recorded together with your name, the time and your address.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2, "wide": True}),
    )


class ReasonForm(ConsoleForm):
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

    A member of an object, such as `restrictions.plans`, has a field of its own name.

    Args: fields: error code → field, for refusals that name no field themselves.
    """
    try:
        with refuse_when_busy():
            yield
    except DomainError as error:
        for name, sentences in (error.fields or {}).items():
            for sentence in sentences:
                field = name.rpartition(".")[2]
                form.add_error(field if field in form.fields else None, as_sentence(gettext(sentence)))
        if not error.fields:
            form.add_error((fields or {}).get(error.code), as_sentence(error.text))


def refused_form(form: type[Any], refusal: str) -> type[Any]:
    """Derives a form that is always invalid, and shows the refusal above its inputs."""

    def clean(self: Any) -> Any:
        data = form.clean(self)
        self.add_error(None, refusal)
        return data

    return type(form.__name__, (form,), {"clean": clean})

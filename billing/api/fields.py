"""Strict serializer fields, and amounts of money in all the forms that clients use.

DRF's own fields are lenient: they take the string "yes" for true and the number 5 for a string. Here a wrong JSON
type is an error, so that the client's mistake is found.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.validators import validate_email
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from drf_spectacular.drainage import set_override
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import fields as drf_fields
from rest_framework import serializers

from billing.errors import InvalidFile
from billing.language import say
from billing.local_time import read_instant
from billing.money import MAX_MINOR, AmountError, exponent, to_major, to_minor, within_limit
from billing.text import MAX_EMAIL_LENGTH, has_visible_text

# Existing clients know amounts of this currency by their own names: `<name>_omr` and `<name>_baisa`.
MIRRORED_CURRENCY = "OMR"

# The service's sentences in place of DRF's own, which have a capital and a full stop.
_OF_LISTS = {
    "not_a_list": _("must be a list"),
    "empty": _("must not be empty"),
    "max_length": _("must have at most {max_length} elements"),
    "min_length": _("must have at least {min_length} elements"),
}
_SENTENCES: dict[type[serializers.Field], dict[str, Any]] = {  # type: ignore[type-arg]
    serializers.Field: {"required": _("is required"), "null": _("must not be null")},
    serializers.CharField: {
        "invalid": _("must be text"),
        "blank": _("must not be blank"),
        "max_length": _("must have at most {max_length} characters"),
        "min_length": _("must have at least {min_length} characters"),
    },
    serializers.IntegerField: {
        "invalid": _("must be a whole number"),
        "max_value": _("must be at most {max_value}"),
        "min_value": _("must be at least {min_value}"),
    },
    serializers.ChoiceField: {"invalid_choice": _('"{input}" is not a valid choice')},
    serializers.UUIDField: {"invalid": _("must be an id (a UUID)")},
    serializers.DictField: {"not_a_dict": _("must be an object")},
    serializers.ListField: _OF_LISTS,
    serializers.ListSerializer: _OF_LISTS,
}
# DRF's own one is written once, in the language of the first request that sees it.
drf_fields.lazy_format = format_lazy  # type: ignore[attr-defined]
for _field, _sentences in _SENTENCES.items():
    _field.default_error_messages = {**_field.default_error_messages, **_sentences}


class TextField(serializers.CharField):
    """A JSON string. Unless it may be blank, people can see at least one of its characters."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        text: str = super().to_internal_value(data)
        if text and not self.allow_blank and not has_visible_text(text):
            self.fail("blank")
        return text


class CsvTextField(TextField):
    """A CSV file as a JSON string, kept as it is."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)


@contextmanager
def refusals_on_csv() -> Iterator[None]:
    """Names the field `csv` in a refusal of the file that it holds. Raises: InvalidFile."""
    try:
        yield
    except InvalidFile as error:
        raise InvalidFile(error.text, fields={"csv": (error.fields or {}).get("file", [])}) from error


@extend_schema_field(OpenApiTypes.EMAIL)
class EmailField(TextField):
    """An e-mail address as a JSON string."""

    default_error_messages = {"not_an_address": _("must be an e-mail address")}

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=MAX_EMAIL_LENGTH, **options)

    def to_internal_value(self, data: Any) -> str:
        address = super().to_internal_value(data)
        try:
            validate_email(address)
        except DjangoValidationError:
            self.fail("not_an_address")
        return address


class FlagField(serializers.BooleanField):
    """A JSON true or false."""

    default_error_messages = {"invalid": _("must be true or false")}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class WholeNumberField(serializers.IntegerField):
    """A JSON number without a fraction, such as 5 or 5.0."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, (int, Decimal)) or data != int(data):
            self.fail("invalid")
        return int(data)


@extend_schema_field(OpenApiTypes.DATETIME)
class InstantField(serializers.Field[Any, Any, Any, Any]):
    """An instant as RFC 3339 writes it, with an offset. Its Python value is in UTC.

    DRF's own field also takes a date, which it makes the start of the day, a time without an offset, ISO weeks and
    digits of other scripts: an end that means another moment than the client's. This is the only field for instants
    in request bodies.
    """

    default_error_messages = {"invalid": _("must be an instant with an offset, as 2026-12-31T23:59:59Z (RFC 3339)")}

    def to_internal_value(self, data: Any) -> datetime:
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            return read_instant(data)
        except ValueError:
            self.fail("invalid")

    def to_representation(self, value: datetime) -> datetime:
        return value


class MinorAmountField(serializers.Field[Any, Any, Any, Any]):
    """An amount as an integer of the currency's smallest unit."""

    default_error_messages = {"invalid": _("must be a whole number"), "minimum": _("must be at least {minimum}")}

    def __init__(self, *, minimum: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.minimum = minimum
        limits = {} if self.read_only else {"minimum": minimum, "maximum": MAX_MINOR}
        set_override(self, "field", {"type": "integer", **limits})

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, (int, Decimal)) or data != int(data):
            self.fail("invalid")
        return self.checked(int(data))

    def to_representation(self, value: int) -> Any:
        return value

    def checked(self, minor: int) -> int:
        """Returns the amount if it is within its limits. Raises: ValidationError."""
        if minor < self.minimum:
            self.fail("minimum", minimum=self.minimum)
        try:
            return within_limit(minor)
        except AmountError as error:
            raise serializers.ValidationError(str(error)) from error


class MajorAmountField(MinorAmountField):
    """An amount as a JSON number in the currency's main unit; its Python value is in the smallest unit."""

    default_error_messages = {"invalid": _("must be a number"), "minimum": _("must be more than zero")}

    def __init__(self, *, minimum: int = 0, **options: Any) -> None:
        super().__init__(minimum=minimum, **options)
        decimals = exponent(settings.SOVEREIGN_CURRENCY)
        limits = {} if self.read_only else {"minimum": minimum / 10**decimals, "maximum": MAX_MINOR // 10**decimals}
        set_override(self, "field", {"type": "number", "multipleOf": 1 / 10**decimals, **limits})

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, (int, Decimal)):
            self.fail("invalid")
        try:
            return self.checked(to_minor(data, currency=settings.SOVEREIGN_CURRENCY))
        except AmountError as error:
            raise serializers.ValidationError(str(error)) from error

    def to_representation(self, value: int) -> Decimal | int:
        return to_major(value, currency=settings.SOVEREIGN_CURRENCY)


class CurrencyField(serializers.ReadOnlyField):
    """The deployment's currency."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        set_override(self, "field", {"type": "string", "pattern": "^[A-Z]{3}$"})

    def get_attribute(self, instance: Any) -> str:
        return settings.SOVEREIGN_CURRENCY


class RequestSerializer(serializers.Serializer[Any]):
    """The JSON object in a request's body. Unknown members are ignored, because existing clients send some."""

    default_error_messages = {"invalid": _("the body must be a JSON object")}


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyInput:
    """An amount that a request gives as `<name>_minor` or, if the currency is OMR, as `_omr` or `_baisa`.

    Clients send a listed record back whole, so several forms are accepted if they agree.

    Args: minimum: in smallest units; 1 if zero is not allowed.
    """

    name: str
    minimum: int = 0
    required: bool = True

    def forms(self) -> dict[str, type[MinorAmountField]]:
        minor: dict[str, type[MinorAmountField]] = {f"{self.name}_minor": MinorAmountField}
        if settings.SOVEREIGN_CURRENCY != MIRRORED_CURRENCY:
            return minor
        return {f"{self.name}_omr": MajorAmountField, **minor, f"{self.name}_baisa": MinorAmountField}


class MoneyRequestSerializer(RequestSerializer):
    """A request body with amounts. In `validated_data` each is `<name>_minor`, whatever form the client used."""

    money: ClassVar[tuple[MoneyInput, ...]] = ()

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        for amount in self.money:
            for form, field in amount.forms().items():
                fields[form] = field(minimum=amount.minimum, required=False)
        return fields

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        for amount in self.money:
            given = {form: attrs.pop(form) for form in amount.forms() if form in attrs}
            if len(set(given.values())) > 1:
                sentence = say("%(names)s are different amounts: send one of them", names=", ".join(given))
                raise serializers.ValidationError({form: [sentence] for form in given})
            if given:
                attrs[f"{amount.name}_minor"] = next(iter(given.values()))
            elif amount.required:
                raise serializers.ValidationError(self.missing(amount.name))
        return attrs

    def missing(self, name: str) -> dict[str, list[str]]:
        """Returns the error of an amount that the request has to give and does not."""
        [amount] = [each for each in self.money if each.name == name]
        return {next(iter(amount.forms())): [say("give one of %(names)s", names=", ".join(amount.forms()))]}


class MoneyResponseSerializer(serializers.Serializer[Any]):
    """A response with amounts. Each is read from `<name>_minor` and rendered in all forms that clients use."""

    money: ClassVar[tuple[str, ...]] = ()

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        mirrored = settings.SOVEREIGN_CURRENCY == MIRRORED_CURRENCY
        for name in self.money:
            fields[f"{name}_minor"] = MinorAmountField(read_only=True)
            if mirrored:
                source = f"{name}_minor"
                fields[f"{name}_omr"] = MajorAmountField(read_only=True, source=source)
                fields[f"{name}_baisa"] = MinorAmountField(read_only=True, source=source)
        if self.money:
            fields["currency"] = CurrencyField()
        return fields


def money_fields(name: str, minor: int) -> Mapping[str, int | Decimal]:
    """Returns an amount in all forms that clients use, for responses built without a serializer."""
    if settings.SOVEREIGN_CURRENCY != MIRRORED_CURRENCY:
        return {f"{name}_minor": minor}
    major = to_major(minor, currency=MIRRORED_CURRENCY)
    return {f"{name}_omr": major, f"{name}_minor": minor, f"{name}_baisa": minor}

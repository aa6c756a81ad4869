"""Rules that every request body keeps, checked over all of them: a new endpoint cannot forget one."""

from collections.abc import Iterator
from importlib import import_module

import pytest
from django.conf import settings
from rest_framework import serializers
from rest_framework.fields import empty

from billing.api.fields import InstantField, MoneyRequestSerializer, RequestSerializer

import_module(settings.ROOT_URLCONF)


def request_bodies(base: type[RequestSerializer] = RequestSerializer) -> Iterator[type[RequestSerializer]]:
    """Every request body of the product."""
    for found in base.__subclasses__():
        if (
            found.__module__.partition(".")[0] in {"billing", "promos", "orders"}
            and found is not MoneyRequestSerializer
        ):
            yield found
        yield from request_bodies(found)


def test_all_request_bodies_are_found() -> None:
    assert {"IssueSerializer", "CheckoutSerializer", "NewOrganizationSerializer", "ProcessorSettingsRequest"} <= {
        each.__name__ for each in request_bodies()
    }


@pytest.mark.parametrize("body", list(request_bodies()), ids=lambda body: body.__name__)
def test_an_absent_field_stays_absent(body: type[RequestSerializer]) -> None:
    """A default would overwrite what an existing record has: a missing cap would become "unlimited"."""
    assert [name for name, field in body().fields.items() if field.default is not empty] == []


LENIENT_INSTANTS = (
    serializers.DateTimeField,
    serializers.DateField,
    serializers.TimeField,
    serializers.DurationField,
)


@pytest.mark.parametrize("body", list(request_bodies()), ids=lambda body: body.__name__)
def test_every_instant_is_read_by_the_one_strict_field(body: type[RequestSerializer]) -> None:
    """A body that reads an instant or a date by DRF's lenient fields accepts what is none."""
    lenient = [name for name, field in body().fields.items() if isinstance(field, LENIENT_INSTANTS)]
    unnamed = [
        name for name, field in body().fields.items() if name.endswith("_at") and not isinstance(field, InstantField)
    ]
    assert (lenient, unnamed) == ([], [])

"""Unusual addresses of the console and the API are refused, never answered with a 500."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def console() -> Client:
    """A superadmin's client, which gets an answer of 500 instead of an exception."""
    client = Client(raise_request_exception=False)
    user = UserFactory.create(is_staff=True)
    user.groups.add(Group.objects.get_or_create(name="superadmin")[0])
    client.force_login(user)
    return client


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("OPTIONS", "/api/docs", {405}),
        ("POST", "/api/docs", {405}),
        ("OPTIONS", "/api/schema", {405}),
        ("GET", "/admin/r/1/1/", {404}),
        ("GET", "/admin/r/x/y/", {404}),
        ("GET", "/admin/r/999999/1/", {404}),
        ("GET", "/admin/billing/user/1/change/?_to_field=", {400, 404}),
        ("GET", "/admin/billing/user/1/change/?_to_field=password", {400, 404}),
        ("GET", "/admin/billing/user/add/?_to_field=", {400, 403, 404, 405}),
        ("GET", "/admin/billing/user/a%2Fb/change/", {404}),
        ("GET", "/admin/billing/user/a%00b/change/", {400, 404}),
        ("GET", "/admin/promos/promocode/a%2Fb/change/", {404}),
        ("GET", "/admin/promos/promocode/x/change/?_to_field=", {400, 404}),
        ("GET", "/admin/billing/customer/x/change/?_to_field=", {400, 404}),
        ("GET", "/admin/orders/order/a%2Fb/change/", {404}),
    ],
)
def test_an_unusual_address_is_no_failure(console: Client, method: str, path: str, statuses: set[int]) -> None:
    answer: Any = console.generic(method, path)
    assert answer.status_code in statuses, answer.content[:300]

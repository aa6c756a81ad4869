"""The addresses of the console: lists with their filters and a deep page, searches, pages of records, others."""

import re
from collections.abc import Iterator
from html import unescape
from http import HTTPStatus
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.test import Client
from django.urls import reverse

from billing.admin.console.lists import KeysetChangeList
from billing.models import Customer
from orders.models import Order
from promos.models import Card, Redemption
from tests.console import console_addresses

from .fill import BATCH

DASHBOARD = "/admin/"
# Links from a record's page to the console's lists and to the pages of its acts.
_LINK = re.compile(r'href="(/admin/[a-z_]+/[a-z_]+/[^"]*)"')
_NO_PAGE = re.compile(r"/(export|download|history|journal)/|/admin/[^?]*/export|jsi18n")
_MAX_CHOICES = 8
_ANY_KEY = "any-key"
_KEY, _VALUE = re.compile(r"(?<=/)(?=[^/]*[0-9])[^/]+(?=/)"), re.compile(r"=[^&]*")
_HEAVY_NAMES = ("Everyone", "WELCOME", BATCH)
_HEAVY = {
    "campaign": {"name": ["Everyone"]},
    "promocode": {"code": ["WELCOME", "GROWN-7"]},
    "batch": {"promo_code__code": [BATCH]},
}


def all_addresses(client: Client) -> list[str]:
    """Returns every address once: lists, filters, deep pages, searches, records, what they link to, other pages."""
    found, links = [DASHBOARD], dict[str, str]()
    for model, made in admin.site._registry.items():
        path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        response: Any = client.get(path)
        if response.status_code != HTTPStatus.OK or "cl" not in (response.context or {}):
            continue
        found += [path, *_of_list(client, path, response.context["cl"])]
        if made.search_fields:
            found += [f"{path}?q={term}" for term in search_terms()]
        for record in _records(made.get_queryset(response.wsgi_request)):
            page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[record])
            found.append(page)
            for link in _links(client, page):
                links.setdefault(_shape(link), link)
    return list(dict.fromkeys([*found, *links.values(), *_pages_without_record()]))


def _pages_without_record() -> list[str]:
    """Returns the forms and reports whose address names no record."""
    found = sorted(each for each in console_addresses(_ANY_KEY) if _ANY_KEY not in each)
    return [each for each in found if "/log" not in each and not _NO_PAGE.search(each)]


def _shape(address: str) -> str:
    """Returns a linked address without keys and values: pages of one shape cost the same, but for heavy records."""
    path, _, query = address.partition("?")
    return address if any(name in query for name in _HEAVY_NAMES) else _KEY.sub("…", path) + _VALUE.sub("=", query)


def search_terms() -> list[str]:
    """Returns what staff search by: codes, cards, a campaign, a dealer, customers, an order, an unknown word."""
    card = Card.objects.order_by("serial")[7]
    customer = Customer.objects.get(user_id="c-7")
    order = Order.objects.filter(customer=customer).latest("created_at")
    return [
        "GROWN-7",
        "WELCOME",
        BATCH,
        card.code,
        str(card.serial),
        card.code[-4:],
        "Everyone",
        "Dealer 7",
        customer.email,
        customer.user_id,
        str(order.pk),
        str(Redemption.objects.latest("pk").pk),
        "o-7",
        "nowhere",
    ]


def _of_list(client: Client, path: str, changes: Any) -> Iterator[str]:
    for spec in changes.filter_specs:
        choices = [each["query_string"] for each in spec.choices(changes) if "query_string" in each]
        yield from (f"{path}{query}" for query in choices[1 : 1 + _MAX_CHOICES])
    if isinstance(changes, KeysetChangeList):
        if not changes.older:
            return
        yield f"{path}{changes.older}"
        if not changes.time_field:
            yield f"{path}?p={_middle(changes.model)}"
    elif changes.multi_page:
        yield f"{path}?p=2"
        yield f"{path}?p={changes.paginator.num_pages}"


def _middle(model: Any) -> object:
    keys = model.objects.order_by("pk").values_list("pk", flat=True)
    return keys[model.objects.count() // 2]


def _records(shown: QuerySet[Any]) -> list[object]:
    """Returns the keys of the oldest, the newest and the heavy records that staff see."""
    keys = shown.order_by("pk").values_list("pk", flat=True)
    found = [*keys[:1], *keys.reverse()[:1]]
    for field, heavy in _HEAVY.get(str(shown.model._meta.model_name), {}).items():
        found += keys.filter(**{f"{field}__in": heavy})
    return found


def _links(client: Client, page: str) -> list[str]:
    response: Any = client.get(page)
    if response.status_code != HTTPStatus.OK:
        return []
    links = {unescape(each) for each in _LINK.findall(response.content.decode())}
    return sorted(each for each in links if not _NO_PAGE.search(each))

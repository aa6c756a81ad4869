"""A superadmin adds, changes and removes catalog items."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.utils.translation import get_language
from drf_spectacular.utils import OpenApiExample, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.access.permissions import roles
from billing.api.identifiers import read_path_id
from billing.api.renderers import Response
from billing.api.schema import refusals
from billing.errors import DomainError
from orders.errors import CatalogItemNotFound, InvalidCatalogItem, PriceNotChargeable
from orders.models import AddOn, App, Bundle, Industry, Plan
from orders.models.catalog import CatalogItem
from orders.use_cases.catalog.change_catalog import add_item, change_item, remove_item

from .items import AddOnSerializer, AppSerializer, BundleSerializer, IndustrySerializer, PlanSerializer
from .requests import (
    AddOnRequest,
    AppRequest,
    BundleRequest,
    IndustryRequest,
    ItemRequest,
    PlanRequest,
    change_of,
)


class _Kind(NamedTuple):
    noun: str
    model: type[CatalogItem]
    answer: type[serializers.ModelSerializer[Any]]
    request: type[ItemRequest]


_KINDS = {
    "plans": _Kind("a plan", Plan, PlanSerializer, PlanRequest),
    "apps": _Kind("an app", App, AppSerializer, AppRequest),
    "addons": _Kind("an add-on", AddOn, AddOnSerializer, AddOnRequest),
    "industries": _Kind("an industry", Industry, IndustrySerializer, IndustryRequest),
    "bundles": _Kind("a bundle of apps", Bundle, BundleSerializer, BundleRequest),
}
_REMOVED = inline_serializer("CatalogItemRemoved", {"ok": serializers.BooleanField()})
_INVALID = "The body is invalid, or Stripe cannot charge the price: `fields` names the nearest prices that it can."
_EXAMPLE = "9.995 OMR cannot be charged to a card; the nearest prices are 9.990 OMR and 10.000 OMR"
_REFUSED = OpenApiExample(
    "A price that Stripe cannot charge",
    {"error": _EXAMPLE, "code": "price_not_chargeable", "fields": {"price_omr": [_EXAMPLE]}},
    response_only=True,
    status_codes=["400"],
)


def _views(kind: _Kind) -> tuple[type[ApiView], type[ApiView]]:
    """Makes the view that adds an item of this kind, and the one that changes and removes it."""
    change = change_of(kind.request)
    examples = [_REFUSED] if kind.request.money else []
    not_found = "The item does not exist, or is no longer offered."

    class ItemsView(ApiView):
        permission_classes = (roles(),)

        @extend_schema(
            request=kind.request,
            responses={201: kind.answer, **refusals({400: _INVALID, 409: "The slug is taken."})},
            examples=examples,
            tags=["catalog"],
            summary=f"Add {kind.noun}",
        )
        def post(self, request: Request) -> Response:
            form = kind.request(data=request.data)
            form.is_valid(raise_exception=True)
            with _naming_price_forms(form):
                item = add_item(kind.model, facts=form.validated_data, by=actor_of(request))
            return Response(kind.answer(item).data, status=201)

    class ItemView(ApiView):
        permission_classes = (roles(),)

        @extend_schema(
            request=change,
            responses={
                200: kind.answer,
                **refusals({400: _INVALID, 404: not_found, 409: "The slug is taken, or must not change."}),
            },
            examples=examples,
            tags=["catalog"],
            summary=f"Change {kind.noun}",
            description="An absent field keeps its value. The change is in force in every process at once. A text"
            " without `_ar` is the English one, whatever the language of the request; the Arabic text that a list has"
            " shown in its place changes nothing.",
        )
        def put(self, request: Request, item_id: str) -> Response:
            identity = read_path_id(item_id, not_found=CatalogItemNotFound)
            listed = kind.model._default_manager.filter(id=identity, active=True).first()
            if listed is None:
                # A courtesy: a 404 comes before errors of the body. The use case checks it under its lock.
                raise CatalogItemNotFound
            form = change(data=request.data)
            form.is_valid(raise_exception=True)
            with _naming_price_forms(form):
                facts = _without_repeated_arabic(form.validated_data, listed)
                item = change_item(kind.model, item_id=identity, facts=facts, by=actor_of(request))
            return Response(kind.answer(item).data)

        @extend_schema(
            responses={200: _REMOVED, **refusals({404: not_found})},
            tags=["catalog"],
            summary=f"Remove {kind.noun}",
            description="It is no longer listed and cannot be bought. Orders and subscriptions that have it keep it.",
        )
        def delete(self, request: Request, item_id: str) -> Response:
            identity = read_path_id(item_id, not_found=CatalogItemNotFound)
            remove_item(kind.model, item_id=identity, by=actor_of(request))
            return Response({"ok": True})

    return ItemsView, ItemView


def _without_repeated_arabic(facts: Mapping[str, Any], listed: CatalogItem) -> dict[str, Any]:
    """Leaves out the Arabic texts that came back with a row: a list has shown them in place of the English ones."""
    if get_language() != "ar":
        return dict(facts)
    return {name: value for name, value in facts.items() if not value or value != getattr(listed, f"{name}_ar", None)}


@contextmanager
def _naming_price_forms(form: ItemRequest) -> Iterator[None]:
    """Names the price in a refusal by the forms in which the request gives it."""
    try:
        yield
    except (PriceNotChargeable, InvalidCatalogItem) as error:
        fields = dict(error.fields or {})
        sentences = fields.pop("price_minor", None)
        if sentences:
            fields |= dict.fromkeys(form.price_forms(), sentences)
        refusal: DomainError = type(error)(error.text, fields=fields)
        raise refusal from error


# The name of a list → the view of the list, and the view of an item in it.
VIEWS = {name: _views(kind) for name, kind in _KINDS.items()}

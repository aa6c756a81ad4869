"""The public catalog of what can be ordered.

A list carries an ETag, and clients ask each time whether theirs is still current, so none shows an old price. Its
texts are in Arabic for clients that prefer Arabic, so a cache keeps one list for each `Accept-Language`. This process
keeps the rendered lists for as long as the catalog's version stays the same. The version changes in the
transaction that changes an item, so every process answers with the new item at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db.models import Subquery
from django.http import HttpResponse, HttpResponseBase
from django.utils import timezone
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.translation import get_language
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from billing.api.access.api_view import ApiView
from billing.api.pagination import add_link, page_parameters, slice_into_page
from billing.api.renderers import ExactJSONRenderer
from billing.database.shared_read import SharedRead
from orders.models import AddOn, App, Bundle, CatalogVersion, Industry, Plan
from orders.models.catalog import CatalogItem
from orders.queries.offer import find_vat_day

from .items import AddOnSerializer, AppSerializer, BundleSerializer, IndustrySerializer, PlanSerializer

_ETAG_LENGTH = 32


@dataclass(frozen=True, slots=True)
class _Offer:
    """A list as it was rendered, and the version of the catalog that it was read at; None if that is not known.

    `vat_day` is the day whose VAT its prices have; None where the catalog's prices include VAT.
    """

    version: UUID | None
    vat_day: date | None
    items: Sequence[CatalogItem]
    content: bytes
    etag: str


_VERSION = SharedRead(
    """
SELECT asked.position, catalog.version
  FROM unnest(%s::int[]) WITH ORDINALITY AS asked (request, position) CROSS JOIN orders_catalogversion AS catalog
""",
    lambda rows: rows[0][0] if rows else None,
)
_offers: dict[tuple[type[CatalogItem], str | None], _Offer] = {}


def forget_offers() -> None:
    """Makes the process read each list again, as if it had just started."""
    _offers.clear()


class _CatalogView(ApiView):
    authentication_classes = ()
    permission_classes = (AllowAny,)
    model: type[CatalogItem]
    serializer_class: type[serializers.ModelSerializer[Any]]

    def get(self, request: Request) -> HttpResponseBase:
        offer = self._current_offer()
        page = slice_into_page(offer.items, request=request, by="slug")
        content, etag = offer.content, offer.etag
        if len(page.rows) < len(offer.items):
            content = self._render(page.rows)
            etag = _etag_of(content)
        response = HttpResponse(content, content_type="application/json", headers={"ETag": etag})
        response.headers["Cache-Control"] = "no-cache"
        patch_vary_headers(response, ["Accept-Language"])
        add_link(response, page, request=request)
        return get_conditional_response(request._request, etag=etag, response=response) or response

    def _current_offer(self) -> _Offer:
        """Returns the list as it is now. One query, and another one after a change of the catalog."""
        kept_as = self.model, get_language()
        known, vat_day = _offers.get(kept_as), find_vat_day(timezone.now())
        if known and known.vat_day == vat_day and known.version and known.version == _VERSION.read(0).value:
            return known
        items = list(
            self.model._default_manager.filter(active=True).annotate(
                catalog_version=Subquery(CatalogVersion.objects.values("version")[:1])
            )
        )
        version = getattr(items[0], "catalog_version", None) if items else None
        content = self._render(items)
        offer = _Offer(version, vat_day, items, content, _etag_of(content))
        _offers[kept_as] = offer
        return offer

    def _render(self, items: Sequence[CatalogItem]) -> bytes:
        return ExactJSONRenderer().render(self.serializer_class(items, many=True).data)


def _etag_of(content: bytes) -> str:
    return f'"{sha256(content).hexdigest()[:_ETAG_LENGTH]}"'


_CACHE_PARAMETERS = [
    OpenApiParameter(
        "Accept-Language",
        str,
        OpenApiParameter.HEADER,
        description="`ar`: the texts of an item are in Arabic, where it has them; otherwise they are in English.",
    ),
    OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER, description="The ETag of the client's copy."),
    OpenApiParameter(
        "ETag", str, OpenApiParameter.HEADER, description="Changes with the content of the list.", response=[200, 304]
    ),
]


def _list_schema(item: type[serializers.ModelSerializer[Any]], summary: str) -> Any:
    return extend_schema(
        responses={200: item(many=True), 304: OpenApiResponse(description="The client's copy is still current.")},
        parameters=[*page_parameters(default_limit=None), *_CACHE_PARAMETERS],
        tags=["catalog"],
        summary=summary,
    )


@_list_schema(PlanSerializer, "List the plans")
class PlansView(_CatalogView):
    model = Plan
    serializer_class = PlanSerializer


@_list_schema(AddOnSerializer, "List the add-ons")
class AddOnsView(_CatalogView):
    model = AddOn
    serializer_class = AddOnSerializer


@_list_schema(AppSerializer, "List the apps")
class AppsView(_CatalogView):
    model = App
    serializer_class = AppSerializer


@_list_schema(IndustrySerializer, "List the industries")
class IndustriesView(_CatalogView):
    model = Industry
    serializer_class = IndustrySerializer


@_list_schema(BundleSerializer, "List the bundles of apps")
class BundlesView(_CatalogView):
    model = Bundle
    serializer_class = BundleSerializer

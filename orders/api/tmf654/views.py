"""The base of the endpoints: their role, their errors, and the choice of fields, rows and customers."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers
from rest_framework.request import Request

from billing.actor import TOPUP_CHANNEL, is_user_id
from billing.api.access.api_view import ApiView
from billing.api.access.permissions import roles
from billing.api.exceptions import handle_exception
from billing.api.pagination import MAX_LIMIT, Window, read_window
from billing.api.renderers import Response
from billing.language import say

BASE_PATH = "tmf-api/prepayBalanceManagement/v4"
DEFAULT_LIMIT = 20

# The parameters that name the customer of a list.
CUSTOMER_FILTERS = ("partyAccount.id", "relatedParty.id", "bucket.id", "logicalResource.id")
# They are in every answer, whichever fields the caller selects.
_ALWAYS = ("id", "href")

Resource = dict[str, Any]


class TmfErrorSerializer(serializers.Serializer[Any]):
    """TM Forum's shape of an error."""

    code = serializers.CharField(help_text="A stable code for programs, in snake_case.")
    reason = serializers.CharField(help_text="A sentence for people.")
    message = serializers.CharField(required=False, help_text="What is wrong with each invalid input.")
    status = serializers.CharField(help_text="The HTTP status.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {**super().get_fields(), "@type": serializers.CharField()}


def tmf_refusals(described: Mapping[int | str, str]) -> dict[Any, OpenApiResponse]:
    """Describes an operation's refusals: a sentence for each status."""
    every = {**described, "default": "Any error."}
    return {status: OpenApiResponse(TmfErrorSerializer, sentence) for status, sentence in every.items()}


FIELDS = OpenApiParameter("fields", str, description="Comma-separated fields to answer, beside `id` and `href`.")
_OFFSET: dict[str, Any] = {"type": "integer", "minimum": 0, "default": 0}
_LIMIT: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
LIST_PARAMETERS = [
    FIELDS,
    OpenApiParameter("offset", _OFFSET),
    OpenApiParameter("limit", _LIMIT),
    *(
        OpenApiParameter(name, str, description="The customer; one of these is required.")
        for name in CUSTOMER_FILTERS
    ),
    *(
        OpenApiParameter(name, int, OpenApiParameter.HEADER, description=description, response=[200])
        for name, description in (("X-Total-Count", "All rows."), ("X-Result-Count", "The rows of this answer."))
    ),
]


class PrepayBalanceView(ApiView):
    permission_classes = (roles(TOPUP_CHANNEL),)
    resource: ClassVar[str]

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], HttpResponse]:
        return _answer_error


def _answer_error(exc: Exception, context: dict[str, Any]) -> HttpResponse:
    """Answers as every endpoint does, in TM Forum's shape."""
    answer = handle_exception(exc, context)
    body = json.loads(answer.content)
    error = {"code": body["code"], "reason": body["error"], "status": str(answer.status_code), "@type": "Error"}
    if "fields" in body:
        error["message"] = "; ".join(f"{name}: {', '.join(each)}" for name, each in body["fields"].items())
    answer.content = json.dumps(error, ensure_ascii=False).encode()
    return answer


def href_of(request: Request, resource: str, identity: str) -> str:
    """Returns the address of a resource: absolute, unless a gateway strips a prefix that is unknown here."""
    path = f"/{settings.API_PREFIX}{BASE_PATH}/{resource}/{identity}"
    return request.build_absolute_uri(path) if settings.API_PREFIX else path


def select_fields(resource: Resource, request: Request) -> Resource:
    """Returns the fields that the caller selects, or all. Unknown ones are ignored, as the specification says."""
    selected = request.query_params.get("fields")
    if selected is None:
        return resource
    names = {*_ALWAYS, *(name.strip() for name in selected.split(","))}
    return {name: value for name, value in resource.items() if name in names}


def read_customer(request: Request) -> str:
    """Reads the customer whose rows are listed. Raises: ValidationError without one, and if two are named."""
    given = {name: request.query_params[name] for name in CUSTOMER_FILTERS if name in request.query_params}
    return the_customer(given)


def the_customer(given: Mapping[str, str]) -> str:
    """Returns the one customer that these references name. Raises: ValidationError."""
    if not given:
        sentence = say("name the customer by one of %(names)s", names=", ".join(CUSTOMER_FILTERS))
        raise serializers.ValidationError({CUSTOMER_FILTERS[0]: [sentence]})
    if len(set(given.values())) > 1:
        raise serializers.ValidationError({name: ["these name different customers"] for name in given})
    name, user_id = next(iter(given.items()))
    if not is_user_id(user_id):
        raise serializers.ValidationError({name: ["is not the id of a customer"]})
    return user_id


def read_list_window(request: Request) -> Window:
    return read_window(request, default_limit=DEFAULT_LIMIT)


def list_response(rows: Sequence[Resource], *, total: int, request: Request) -> Response:
    """Answers rows of a list, and how many there are in all."""
    headers = {"X-Total-Count": str(total), "X-Result-Count": str(len(rows))}
    return Response([select_fields(row, request) for row in rows], headers=headers)

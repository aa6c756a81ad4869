"""Pages of lists: plain arrays, newest first, with the address of the next page in the `Link` header.

A cursor names the last returned row, not an offset. Rows that are added or removed between two requests cause no
repeated or skipped rows, and the last page costs the same as the first. Clients must treat the cursor as opaque.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import Model, Q, QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from billing.api.renderers import Response
from billing.errors import DomainError
from billing.language import say

DEFAULT_LIMIT = 50
MAX_LIMIT = 100
_MAX_CURSOR_LENGTH = 200
_MAX_OFFSET_DIGITS = 9
_MAX_NUMBER = 2**63 - 1

Row = TypeVar("Row", bound=Model)


class InvalidLimit(DomainError):
    code = "invalid_limit"
    message = "limit is not valid"


class InvalidOffset(DomainError):
    code = "invalid_offset"
    message = "offset is not valid"


class InvalidCursor(DomainError):
    code = "invalid_cursor"
    message = "cursor is not valid for this list"


def page_parameters(
    *, default_limit: int | None = DEFAULT_LIMIT, max_limit: int = MAX_LIMIT
) -> list[OpenApiParameter]:
    """Describes a list's parameters for the OpenAPI schema. Without a default limit, lists are returned whole."""
    limit: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": max_limit}
    if default_limit:
        limit["default"] = default_limit
    return [
        OpenApiParameter("limit", limit, description="Rows of a page."),
        OpenApiParameter("cursor", str, description="From the Link header of the page before."),
        OpenApiParameter(
            "Link",
            str,
            OpenApiParameter.HEADER,
            description='Where the next page is: `<…>; rel="next"`; absent on the last.',
            response=[200],
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Row]):
    """One page of a list, with the cursor of the next page if there is one."""

    rows: list[Row]
    next_cursor: str | None
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place in a list: the number of rows, and the timestamp and key of the row before them."""

    limit: int
    before: tuple[datetime, Any] | None


def read_page(
    queryset: QuerySet[Row],
    *,
    request: Request,
    by: str = "created_at",
    default_limit: int = DEFAULT_LIMIT,
    max_limit: int = MAX_LIMIT,
) -> Page[Row]:
    """Reads the requested page by one query.

    Args: by: the timestamp to order by, newest first; the primary key breaks ties.
    Raises: InvalidLimit; InvalidCursor.
    """
    position = read_position(request, queryset.model, default_limit=default_limit, max_limit=max_limit)
    if position.before:
        at, key = position.before
        # The second condition implies the first, but only the first can use an index on the timestamp.
        queryset = queryset.filter(Q(**{f"{by}__lte": at}) & (Q(**{f"{by}__lt": at}) | Q(**{by: at}, pk__lt=key)))
    return cut_page(list(queryset.order_by(f"-{by}", "-pk")[: position.limit + 1]), limit=position.limit, by=by)


def read_page_by_number(queryset: QuerySet[Row], *, request: Request, by: str, descending: bool = False) -> Page[Row]:
    """Reads the requested page of rows that are ordered by a unique number. One query.

    Raises: InvalidLimit; InvalidCursor.
    """
    limit = _read_limit(request, default=DEFAULT_LIMIT, maximum=MAX_LIMIT)
    if "cursor" in request.query_params:
        try:
            after = _decoded(request.query_params["cursor"])
        except (ValueError, RecursionError) as error:
            raise InvalidCursor() from error
        if not isinstance(after, int) or isinstance(after, bool) or not 0 <= after <= _MAX_NUMBER:
            raise InvalidCursor()
        queryset = queryset.filter(**{f"{by}__{'lt' if descending else 'gt'}": after})
    rows = list(queryset.order_by(f"-{by}" if descending else by)[: limit + 1])
    more = len(rows) > limit
    rows = rows[:limit]
    return Page(rows=rows, next_cursor=_encoded(getattr(rows[-1], by)) if more else None, limit=limit)


def read_position(
    request: Request, model: type[Model], *, default_limit: int = DEFAULT_LIMIT, max_limit: int = MAX_LIMIT
) -> Position:
    """Reads `limit` and `cursor`. Raises: InvalidLimit; InvalidCursor."""
    limit = _read_limit(request, default=default_limit, maximum=max_limit)
    cursor = request.query_params.get("cursor")
    return Position(limit=limit, before=None if cursor is None else _read_cursor(cursor, model))


def cut_page(rows: list[Row], *, limit: int, by: str = "created_at") -> Page[Row]:
    """Makes a page of rows in their order; one more than the limit says that another page follows."""
    more = len(rows) > limit
    rows = rows[:limit]
    return Page(rows=rows, next_cursor=_cursor(rows[-1], by) if more else None, limit=limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A part of a list by its position, for lists whose clients show page numbers."""

    offset: int
    limit: int


def read_window(request: Request, *, default_limit: int = 20) -> Window:
    """Reads `offset` and `limit`. Raises: InvalidOffset, InvalidLimit."""
    text = request.query_params.get("offset", "0")
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_OFFSET_DIGITS):
        sentence = "offset must be a whole number, at least 0"
        raise InvalidOffset(sentence, fields={"offset": [sentence]})
    return Window(offset=int(text), limit=_read_limit(request, default=default_limit, maximum=MAX_LIMIT))


def slice_into_page(rows: Sequence[Row], *, request: Request, by: str) -> Page[Row]:
    """Cuts the requested page out of a short list that has its own order. Without a limit it returns the whole list.

    Args: by: an attribute that is unique in the list; the cursor holds its value.
    Raises: InvalidLimit; InvalidCursor, also if the row that the cursor names no longer exists.
    """
    limit = _read_limit(request, default=max(len(rows), 1), maximum=MAX_LIMIT)
    start = 0
    if "cursor" in request.query_params:
        names = [str(getattr(row, by)) for row in rows]
        try:
            start = names.index(_decoded(request.query_params["cursor"])) + 1
        except (ValueError, RecursionError) as error:
            raise InvalidCursor() from error
    end = start + limit
    next_cursor = _encoded(str(getattr(rows[end - 1], by))) if end < len(rows) else None
    return Page(rows=list(rows[start:end]), next_cursor=next_cursor, limit=limit)


def page_response(page: Page[Any], data: list[Any], *, request: Request) -> Response:
    """Makes the response: a plain array, with the next page's address in the `Link` header."""
    response = Response(data)
    add_link(response, page, request=request)
    return response


def add_link(response: HttpResponse, page: Page[Any], *, request: Request) -> None:
    """Adds the next page's address, if there is one, in the `Link` header.

    The address is absolute. If API_PREFIX is empty, a gateway strips a prefix that this service does not know, so the
    address is relative to the request's own (RFC 8288 allows that).
    """
    if page.next_cursor:
        query = request.query_params.copy()
        query["cursor"] = page.next_cursor
        query["limit"] = str(page.limit)
        link = f"?{query.urlencode()}"
        if settings.API_PREFIX:
            link = request.build_absolute_uri(request.path + link)
        response.headers["Link"] = f'<{link}>; rel="next"'


def _read_limit(request: Request, *, default: int, maximum: int) -> int:
    text = request.query_params.get("limit")
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(maximum)) and 1 <= int(text) <= maximum):
        sentence = say("limit must be a whole number from 1 to %(number)s", number=maximum)
        raise InvalidLimit(sentence, fields={"limit": [sentence]})
    return int(text)


def _cursor(row: Model, by: str) -> str:
    return _encoded([getattr(row, by).isoformat(), str(row.pk)])


def _encoded(value: Any) -> str:
    text = json.dumps(value, separators=(",", ":"))
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decoded(text: str) -> Any:
    """Raises: ValueError, RecursionError."""
    if len(text) > _MAX_CURSOR_LENGTH:
        raise ValueError("too long")
    return json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def _read_cursor(text: str, model: type[Model]) -> tuple[datetime, Any]:
    try:
        at_text, key_text = _decoded(text)
        at = datetime.fromisoformat(at_text)
        key = model._meta.pk.to_python(key_text)
    except (ValueError, TypeError, OverflowError, RecursionError, DjangoValidationError) as error:
        raise InvalidCursor() from error
    if at.tzinfo is None or not isinstance(key_text, str):
        raise InvalidCursor()
    return at, key

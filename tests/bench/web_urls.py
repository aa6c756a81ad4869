"""The views that a checkout is compared with: an empty one of Django, and one of DRF that inserts one row.

The second authenticates as the checkout does, reads JSON, inserts and commits, and answers JSON, and
validates nothing.
"""

import os
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing.api.access.authentication import principal_of
from config.urls import urlpatterns as served


def empty(request: HttpRequest) -> HttpResponse:
    """Nothing but Django; says which process answers."""
    return HttpResponse(headers={"X-Process": str(os.getpid())})


class OneRow(APIView):
    """One row, inserted and committed, by the user of the token."""

    def post(self, request: Request) -> Response:
        body: Any = request.data
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO peer.visit (user_id, note) VALUES (%s, %s) RETURNING id",
                [principal_of(request).user_id, body["note"]],
            )
            return Response({"id": cursor.fetchone()[0]})


urlpatterns: list[URLPattern | URLResolver] = [
    path("api/bench/empty", empty),
    path("api/bench/one-row", OneRow.as_view()),
    *served,
]

"""Endpoints that exist only for tests: each shows one part of the API's infrastructure at work."""

from typing import Any, cast

from django.core.exceptions import PermissionDenied
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import connection, connections, transaction
from django.db.utils import ConnectionHandler
from django.http import Http404
from django.urls import include, path
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from billing.actor import AUDITOR, SOVEREIGN_ADMIN
from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.access.permissions import roles
from billing.api.access.rate_limit import RateLimit
from billing.api.pagination import page_response, read_page
from billing.api.renderers import Response
from billing.errors import Busy, DomainError
from billing.models import Customer


class WhoAmI(ApiView):
    def get(self, request: Request) -> Response:
        by = actor_of(request)
        return Response([by.user_id, by.email, by.role, by.address, by.channel])

    post = get


class Vouchers(ApiView):
    permission_classes = (roles(SOVEREIGN_ADMIN, read=(AUDITOR,)),)

    def get(self, request: Request) -> Response:
        return Response("read")

    def post(self, request: Request) -> Response:
        return Response(["written", request.data])


class Superadmins(ApiView):
    permission_classes = (roles(),)

    def get(self, request: Request) -> Response:
        return Response("read")


class Echo(ApiView):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    def post(self, request: Request) -> Response:
        return Response(request.data)


class Customers(ApiView):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get(self, request: Request) -> Response:
        page = read_page(Customer.objects.all(), request=request)
        return page_response(page, [row.user_id for row in page.rows], request=request)


class ProbeRateLimit(RateLimit):
    scope = "probe"
    setting = "PREVIEW_RATE_LIMIT"


class OtherRateLimit(ProbeRateLimit):
    scope = "other"


class Limited(ApiView):
    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (ProbeRateLimit,)

    def post(self, request: Request) -> Response:
        return Response("through")


class OtherLimited(Limited):
    throttle_classes = (OtherRateLimit,)


class Refused(DomainError):
    code = "probe_refused"
    status = 409
    message = "the probe was refused"


class Form(serializers.Serializer[Any]):
    name = serializers.CharField()
    apps = serializers.ListField(child=serializers.CharField())


class Fail(ApiView):
    """Fails in the way that the path names."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def post(self, request: Request, how: str) -> Response:
        getattr(self, how)(request)
        return Response("unharmed")

    def refused(self, request: Request) -> None:
        raise Refused(fields={"name": ["is taken"]})

    def busy(self, request: Request) -> None:
        raise Busy(retry_after=7)

    def missing(self, request: Request) -> None:
        raise Http404("a row with a secret in its name")

    def forbidden(self, request: Request) -> None:
        raise PermissionDenied

    def invalid(self, request: Request) -> None:
        Form(data=request.data).is_valid(raise_exception=True)

    def whole(self, request: Request) -> None:
        raise serializers.ValidationError("starts_at must lie before expires_at")

    def model(self, request: Request) -> None:
        raise DjangoValidationError({"slug": ["is taken"], "__all__": ["the whole is wrong"]})

    def mistake(self, request: Request) -> None:
        raise RuntimeError("a detail that clients may not see")

    def lock_wait(self, request: Request) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '20ms'")
            cursor.execute("SELECT pg_advisory_xact_lock(4711)")

    def slow_statement(self, request: Request) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = '20ms'")
            cursor.execute("SELECT pg_sleep(5)")

    def no_server(self, request: Request) -> None:
        away = connections["default"].settings_dict | {"HOST": "127.0.0.1", "PORT": "1", "OPTIONS": {}}
        ConnectionHandler({"default": away})["default"].ensure_connection()

    def sqlstate(self, request: Request) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('probe.state', %s, true)", [cast("dict[str, str]", request.data)["state"]]
            )
            cursor.execute("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = current_setting('probe.state'); END $$")

    def wrong_statement(self, request: Request) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")


_endpoints = [
    path("whoami", WhoAmI.as_view()),
    path("vouchers", Vouchers.as_view()),
    path("superadmins", Superadmins.as_view()),
    path("echo", Echo.as_view()),
    path("customers", Customers.as_view()),
    path("limited", Limited.as_view()),
    path("other", OtherLimited.as_view()),
    path("fail/<str:how>", Fail.as_view()),
]

urlpatterns = [path("api/", include(_endpoints))]

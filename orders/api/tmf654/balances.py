"""The balance of a customer, as a bucket and as the sum of its buckets. Both are read-only."""

from collections.abc import Callable
from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from billing.actor import is_user_id
from billing.api.renderers import Response
from billing.errors import CustomerNotFound
from billing.models import Customer
from billing.queries import balance_of

from .resources import AccumulatedBalanceSerializer, BucketSerializer, describe_accumulated_balance, describe_bucket
from .views import (
    FIELDS,
    LIST_PARAMETERS,
    PrepayBalanceView,
    Resource,
    list_response,
    read_customer,
    read_list_window,
    select_fields,
    tmf_refusals,
)

_LISTED = tmf_refusals({400: "No customer is named, or the window of the list is invalid."})
_FOUND = tmf_refusals({404: "There is no such customer."})


class _BalanceView(PrepayBalanceView):
    describe: ClassVar[Callable[..., Resource]]

    def _rows(self, request: Request, user_id: str) -> list[Resource]:
        """Returns the customer's one resource, or none for an unknown customer."""
        known = is_user_id(user_id) and Customer.objects.filter(user_id=user_id, merged_into=None).exists()
        if not known:
            return []
        balance = balance_of(user_id=user_id, with_lots=True)
        return [type(self).describe(balance, user_id=user_id, request=request)]

    def _list(self, request: Request) -> Response:
        rows, window = self._rows(request, read_customer(request)), read_list_window(request)
        return list_response(rows[window.offset : window.offset + window.limit], total=len(rows), request=request)

    def _one(self, request: Request, user_id: str) -> Response:
        rows = self._rows(request, user_id)
        if not rows:
            raise CustomerNotFound
        return Response(select_fields(rows[0], request))


class BucketsView(_BalanceView):
    describe = staticmethod(describe_bucket)

    @extend_schema(
        responses={200: BucketSerializer(many=True), **_LISTED},
        parameters=LIST_PARAMETERS,
        tags=["TMF654"],
        summary="The bucket of a customer, as a list",
    )
    def get(self, request: Request) -> Response:
        return self._list(request)


class BucketView(_BalanceView):
    describe = staticmethod(describe_bucket)

    @extend_schema(
        responses={200: BucketSerializer, **_FOUND},
        parameters=[FIELDS],
        tags=["TMF654"],
        summary="A customer's bucket",
    )
    def get(self, request: Request, id: str) -> Response:
        return self._one(request, id)


class AccumulatedBalancesView(_BalanceView):
    describe = staticmethod(describe_accumulated_balance)

    @extend_schema(
        responses={200: AccumulatedBalanceSerializer(many=True), **_LISTED},
        parameters=LIST_PARAMETERS,
        tags=["TMF654"],
        summary="The total of a customer, as a list",
    )
    def get(self, request: Request) -> Response:
        return self._list(request)


class AccumulatedBalanceView(_BalanceView):
    describe = staticmethod(describe_accumulated_balance)

    @extend_schema(
        responses={200: AccumulatedBalanceSerializer, **_FOUND},
        parameters=[FIELDS],
        tags=["TMF654"],
        summary="A customer's total",
    )
    def get(self, request: Request, id: str) -> Response:
        return self._one(request, id)

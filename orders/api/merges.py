from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.actor import MAX_USER_ID_LENGTH
from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.access.permissions import roles
from billing.api.fields import RequestSerializer, TextField
from billing.api.renderers import Response
from billing.api.schema import refusals
from orders.use_cases.customers.merge_customers import merge_customers
from orders.use_cases.customers.plan_merge import MergePlan, find_customer, plan_merge

MAX_REASON_LENGTH = 500
_REFUSALS = refusals(
    {
        404: "One of the customers does not exist.",
        409: "One of the two was merged before, is a member of staff or has an open payment, or both pay"
        " subscriptions by card.",
    }
)


class MergedSerializer(serializers.Serializer[Any]):
    customer_id = serializers.CharField(help_text="The user id of the customer that can no longer act.")
    into_customer_id = serializers.CharField(help_text="The user id of the customer that gets everything.")
    organizations = serializers.ListField(child=serializers.CharField(), help_text="Slugs.")
    memberships = serializers.ListField(child=serializers.CharField(), help_text="Slugs, each with the role.")
    subscriptions = serializers.ListField(child=serializers.UUIDField(), help_text="Those that have not ended.")
    orders = serializers.IntegerField()
    invoices = serializers.IntegerField()
    codes = serializers.ListField(child=serializers.CharField(), help_text="Redeemed vouchers.")
    kept_codes = serializers.ListField(
        child=serializers.CharField(), help_text="Vouchers that both have redeemed: these redemptions do not move."
    )
    credit_minor = serializers.IntegerField()
    emails = serializers.ListField(child=serializers.CharField(), help_text="Verified addresses to sign in with.")
    provider_accounts = serializers.IntegerField()
    sessions = serializers.IntegerField(help_text="Sessions that end.")
    stripe_customer_id = serializers.CharField(help_text="The one that the other customer has afterwards, or empty.")


class PairSerializer(RequestSerializer):
    customer_id = TextField(max_length=MAX_USER_ID_LENGTH)
    into_customer_id = TextField(max_length=MAX_USER_ID_LENGTH)


class MergeSerializer(PairSerializer):
    reason = TextField(max_length=MAX_REASON_LENGTH, help_text="For the audit trail and the ledger.")


class MergePreviewView(ApiView):
    permission_classes = (roles(),)

    @extend_schema(
        request=PairSerializer,
        responses={200: MergedSerializer, **_REFUSALS},
        tags=["administration"],
        summary="Show what a merge of two customers would move",
    )
    def post(self, request: Request) -> Response:
        form = PairSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        pair = form.validated_data
        plan = plan_merge(
            merged=find_customer(user_id=pair["customer_id"]),
            survivor=find_customer(user_id=pair["into_customer_id"]),
        )
        return Response(_describe(plan, pair))


class MergeView(ApiView):
    permission_classes = (roles(),)

    @extend_schema(
        request=MergeSerializer,
        responses={200: MergedSerializer, **_REFUSALS},
        tags=["administration"],
        summary="Merge two customers who are one person",
        description="The first can no longer act, and is signed out. Everything of it becomes the second one's; its"
        " ledger entries stay, and its balance is transferred.",
    )
    def post(self, request: Request) -> Response:
        form = MergeSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        wanted = form.validated_data
        plan = merge_customers(
            merged_user_id=wanted["customer_id"],
            into_user_id=wanted["into_customer_id"],
            reason=wanted["reason"],
            by=actor_of(request),
        )
        return Response(_describe(plan, wanted))


def _describe(plan: MergePlan, pair: dict[str, Any]) -> dict[str, Any]:
    names = ("customer_id", "into_customer_id")
    return {**{name: pair[name] for name in names}, **asdict(plan)}

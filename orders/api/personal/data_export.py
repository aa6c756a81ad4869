"""The export of a customer's own data."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.identity.mail_choices import MailChoicesSerializer
from billing.api.renderers import Response
from orders.use_cases.personal.export_personal_data import FILE_HEADERS, export_personal_data


class ProfileSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    email = serializers.CharField(allow_blank=True)
    name = serializers.CharField(allow_blank=True)
    language = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField(allow_null=True)
    providers = serializers.ListField(
        child=serializers.CharField(), help_text="The identity providers that sign you in."
    )


class ExportedSessionSerializer(serializers.Serializer[Any]):
    started_at = serializers.DateTimeField()
    used_at = serializers.DateTimeField()
    program = serializers.CharField(allow_blank=True)
    address = serializers.CharField(allow_blank=True)
    method = serializers.CharField(allow_blank=True)


class ExportedOrganizationSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()
    vat_number = serializers.CharField(allow_blank=True)
    status = serializers.CharField()
    created_at = serializers.DateTimeField()


class ExportedMembershipSerializer(serializers.Serializer[Any]):
    tenant_id = serializers.UUIDField()
    organization_name = serializers.CharField()
    role = serializers.CharField()
    email = serializers.CharField()
    joined_at = serializers.DateTimeField()


class ExportedLineSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    price_minor = serializers.IntegerField()


class ExportedOrderSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    tenant_id = serializers.UUIDField()
    kind = serializers.CharField()
    status = serializers.CharField()
    amount_minor = serializers.IntegerField()
    credit_applied_minor = serializers.IntegerField()
    currency = serializers.CharField()
    promo_code = serializers.CharField(allow_blank=True)
    bundle = serializers.CharField(allow_blank=True, help_text="The bundle whose discount the prices contain.")
    lines = ExportedLineSerializer(many=True)
    address = serializers.CharField(allow_blank=True, help_text="The network address that placed it.")
    created_at = serializers.DateTimeField()


class ExportedRedemptionSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    status = serializers.CharField()
    credit_minor = serializers.IntegerField()
    credit_expires_at = serializers.DateTimeField(allow_null=True)
    reserved_at = serializers.DateTimeField()


class ExportedEntrySerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    amount_minor = serializers.IntegerField()
    reason = serializers.CharField()
    order_id = serializers.UUIDField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class ExportedDocumentSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    number = serializers.CharField()
    kind = serializers.CharField()
    supplied_at = serializers.DateTimeField()


class PersonalDataSerializer(serializers.Serializer[Any]):
    profile = ProfileSerializer()
    mails = MailChoicesSerializer()
    sessions = ExportedSessionSerializer(many=True)
    organizations = ExportedOrganizationSerializer(many=True, help_text="Those that you own, deleted ones too.")
    memberships = ExportedMembershipSerializer(many=True)
    orders = ExportedOrderSerializer(many=True)
    redemptions = ExportedRedemptionSerializer(many=True)
    entries = ExportedEntrySerializer(many=True, help_text="Every change of your balance.")
    documents = ExportedDocumentSerializer(many=True, help_text="`billing/documents` has them in full.")


class PersonalDataView(ApiView):
    @extend_schema(
        responses=PersonalDataSerializer,
        tags=["personal data"],
        summary="Export your data",
        description="Your profile, sessions, choices of mails, organizations, memberships, orders, redemptions,"
        " entries and the numbers of your documents, oldest first, as one file. The export is recorded.",
    )
    def get(self, request: Request) -> Response:
        data = PersonalDataSerializer(export_personal_data(by=actor_of(request))).data
        return Response(data, headers=FILE_HEADERS)

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.identifiers import read_path_id
from billing.api.renderers import Response
from billing.errors import OrganizationNotFound
from orders.use_cases.payments.open_portal import open_portal


class PortalView(ApiView):
    @extend_schema(
        request=None,
        responses=inline_serializer("Portal", {"portal_url": serializers.URLField()}),
        tags=["credit"],
        summary="Open Stripe's billing portal, for cards and receipts",
    )
    def post(self, request: Request, tenant_id: str) -> Response:
        organization_id = read_path_id(tenant_id, not_found=OrganizationNotFound)
        return Response({"portal_url": open_portal(organization_id=organization_id, by=actor_of(request))})

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing.api.access.authentication import actor_of
from billing.api.identifiers import read_path_id
from billing.errors import DomainError, OrganizationNotFound
from billing.organization_roles import Act
from billing.use_cases.organizations.authorize_act import authorize_act
from orders.errors import PaymentProcessorNotConfigured
from orders.stripe import gateway
from orders.stripe.session_request import page_after_payment


class ProcessorCustomerNotFound(DomainError):
    code = "processor_customer_not_found"
    status = 404
    message = "this customer has no billing page: the next payment by card creates one"


class PortalFailed(DomainError):
    code = "payment_processor_error"
    status = 502
    message = "the payment processor could not open its billing portal"


class PortalView(APIView):
    @extend_schema(
        request=None,
        responses=inline_serializer("Portal", {"portal_url": serializers.URLField()}),
        tags=["credit"],
        summary="Open Stripe's billing portal, for cards and receipts",
    )
    def post(self, request: Request, tenant_id: str) -> Response:
        organization = authorize_act(
            organization_id=read_path_id(tenant_id, not_found=OrganizationNotFound),
            by=actor_of(request),
            act=Act.OPEN_PORTAL,
        )
        if not gateway.is_configured():
            raise PaymentProcessorNotConfigured("payment processor is not configured")
        if not organization.customer.stripe_customer_id:
            raise ProcessorCustomerNotFound
        try:
            url = gateway.create_portal_session(
                customer_id=organization.customer.stripe_customer_id, return_url=page_after_payment()
            )
        except gateway.CustomerUnknown as error:
            # It was deleted at Stripe, or is another account's. The next checkout creates a new one.
            raise ProcessorCustomerNotFound from error
        except (gateway.Refused, gateway.Unanswered, gateway.NotConfigured) as error:
            raise PortalFailed from error
        return Response({"portal_url": url})

from uuid import UUID

from billing.actor import Actor
from billing.organization_roles import Act
from billing.use_cases.organizations.authorize_act import authorize_act
from orders.errors import PaymentProcessorNotConfigured, PortalFailed, ProcessorCustomerNotFound
from orders.stripe import gateway
from orders.stripe.session_request import page_after_payment


def open_portal(*, organization_id: UUID, by: Actor, return_url: str = "") -> str:
    """Opens Stripe's billing portal for the customer who pays for the organization, and returns its address.

    Args: return_url: the page to which the portal leads back; without one, the page that follows a payment.
    Raises: OrganizationNotFound, OrganizationRoleTooLow, PaymentProcessorNotConfigured, ProcessorCustomerNotFound,
    PortalFailed. Transaction: none.
    """
    organization = authorize_act(organization_id=organization_id, by=by, act=Act.OPEN_PORTAL)
    if not gateway.is_configured():
        raise PaymentProcessorNotConfigured("payment processor is not configured")
    if not organization.customer.stripe_customer_id:
        raise ProcessorCustomerNotFound
    try:
        return gateway.create_portal_session(
            customer_id=organization.customer.stripe_customer_id, return_url=return_url or page_after_payment()
        )
    except gateway.CustomerUnknown as error:
        # It was deleted at Stripe, or is another account's. The next checkout creates a new one.
        raise ProcessorCustomerNotFound from error
    except (gateway.Refused, gateway.Unanswered, gateway.NotConfigured) as error:
        raise PortalFailed from error

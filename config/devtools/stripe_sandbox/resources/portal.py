"""Billing portal sessions: a link to the sandbox's page where a customer sees and ends subscriptions.

Not reproduced: configurations, flows, changing cards or plans.
"""

from stripe.params.billing_portal import SessionCreateParams

from config.devtools.stripe_sandbox.protocol.endpoints import endpoint
from config.devtools.stripe_sandbox.protocol.parameters import accept
from config.devtools.stripe_sandbox.resources.urls import check_url
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import World, new_id


@endpoint(
    "POST", "/v1/billing_portal/sessions", accept(SessionCreateParams, "customer locale return_url", "customer")
)
def create(world: World) -> Object:
    """Create a portal session for a customer."""
    given = world.call.given
    customer = world.get("customer", given["customer"], param="customer")
    if "return_url" in given:
        check_url(given["return_url"], param="return_url")
    identifier = new_id("bps")
    return world.make(
        "billing_portal.session",
        {
            "configuration": "bpc_1Sandbox00000000",
            "customer": customer["id"],
            "customer_account": None,
            "flow": None,
            "locale": given.get("locale"),
            "on_behalf_of": None,
            "return_url": given.get("return_url"),
            "url": f"{world.base_url}/p/session/{identifier}",
        },
        identifier=identifier,
    )

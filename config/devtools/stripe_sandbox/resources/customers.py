"""Customers: create, retrieve, update, delete, list by e-mail (exact, case-sensitive, several may share one).

Not reproduced: search, balances, tax ids, sources.
"""

from stripe.params import (
    CustomerCreateParams,
    CustomerDeleteParams,
    CustomerListParams,
    CustomerRetrieveParams,
    CustomerUpdateParams,
)

from config.devtools.stripe_sandbox.protocol.endpoints import endpoint
from config.devtools.stripe_sandbox.protocol.errors import invalid
from config.devtools.stripe_sandbox.protocol.parameters import accept
from config.devtools.stripe_sandbox.resources.billing.subscriptions import end_subscription
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import World, new_id

_OWN = (
    "address description email metadata name phone preferred_locales shipping invoice_settings.default_payment_method"
)
_PLAIN = ("address", "description", "email", "name", "phone", "preferred_locales", "shipping")


def make_customer(world: World, **fields: object) -> Object:
    """Create a customer and record its event."""
    made = world.make(
        "customer",
        {
            "address": None,
            "balance": 0,
            "currency": None,
            "default_source": None,
            "delinquent": False,
            "description": None,
            "discount": None,
            "email": None,
            "invoice_prefix": new_id("x")[2:10].upper(),
            "invoice_settings": {
                "custom_fields": None,
                "default_payment_method": None,
                "footer": None,
                "rendering_options": None,
            },
            "metadata": {},
            "name": None,
            "next_invoice_sequence": 1,
            "phone": None,
            "preferred_locales": [],
            "shipping": None,
            "tax_exempt": "none",
            "test_clock": None,
        }
        | fields,
    )
    world.record_event("customer.created", made)
    return made


def _check_email(world: World) -> None:
    email = world.call.given.get("email")
    if email and ("@" not in email or any(each.isspace() for each in email)):
        raise invalid(f"Invalid email address: {email}", param="email", code="email_invalid")


@endpoint("POST", "/v1/customers", accept(CustomerCreateParams, _OWN))
def create(world: World) -> Object:
    """Make a customer."""
    _check_email(world)
    given = world.call.given
    fields = {name: given[name] or None for name in _PLAIN if name in given}
    return make_customer(world, **fields, metadata=world.merge_metadata({}, given.get("metadata")))


@endpoint("GET", "/v1/customers/{id}", accept(CustomerRetrieveParams, ""))
def retrieve(world: World, identifier: str) -> Object:
    """Return a customer. A deleted one shows only that it is deleted."""
    stored = world.store.load(identifier, "customer")
    return stored if stored and stored.get("deleted") else world.get("customer", identifier)


@endpoint("POST", "/v1/customers/{id}", accept(CustomerUpdateParams, _OWN))
def update(world: World, identifier: str) -> Object:
    """Update the given fields."""
    customer = world.get("customer", identifier)
    _check_email(world)
    given = world.call.given
    fields = {name: given[name] or None for name in _PLAIN if name in given}
    if "metadata" in given:
        fields["metadata"] = world.merge_metadata(customer, given["metadata"])
    if "invoice_settings" in given:
        fields["invoice_settings"] = customer["invoice_settings"] | given["invoice_settings"]
    before = world.change(customer, **fields)
    world.record_event("customer.updated", customer, before)
    return customer


@endpoint("DELETE", "/v1/customers/{id}", accept(CustomerDeleteParams, ""))
def delete(world: World, identifier: str) -> Object:
    """Delete a customer. Its subscriptions end, and only its id remains."""
    customer = world.get("customer", identifier)
    for subscription in world.store.select("subscription", customer=identifier):
        if subscription["status"] != "canceled":
            end_subscription(world, subscription, reason="cancellation_requested")
    world.record_event("customer.deleted", customer)
    remains = {"id": identifier, "object": "customer", "deleted": True}
    world.store.save(remains)
    return remains


@endpoint("GET", "/v1/customers", accept(CustomerListParams, "created email ending_before limit starting_after"))
def list_all(world: World) -> Object:
    """Return the customers, newest first."""
    given = world.call.given
    wanted = {"email": given["email"]} if "email" in given else {}
    living = [each for each in world.store.select("customer", **wanted) if not each.get("deleted")]
    return world.page(living, "/v1/customers")

"""Events, each with a copy of its object. Stripe keeps them for 30 days, the sandbox until it is reset."""

from fnmatch import fnmatchcase

from stripe.params import EventListParams, EventRetrieveParams

from config.devtools.stripe_sandbox.protocol.endpoints import endpoint
from config.devtools.stripe_sandbox.protocol.parameters import accept
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import World

_LISTED = "created delivery_success ending_before limit starting_after type types"


@endpoint("GET", "/v1/events/{id}", accept(EventRetrieveParams, ""))
def retrieve(world: World, identifier: str) -> Object:
    """Return one event."""
    return _with_pending(world, world.get("event", identifier))


@endpoint("GET", "/v1/events", accept(EventListParams, _LISTED))
def list_all(world: World) -> Object:
    """List events, newest first, by type (also `invoice.*`) and by whether all endpoints accepted them."""
    given = world.call.given
    patterns = [given["type"]] if "type" in given else given.get("types", ["*"])
    chosen = [
        _with_pending(world, event)
        for event in world.store.select("event")
        if any(fnmatchcase(event["type"], pattern) for pattern in patterns)
    ]
    if "delivery_success" in given:
        chosen = [event for event in chosen if (event["pending_webhooks"] == 0) == given["delivery_success"]]
    return world.page(chosen, "/v1/events")


def _with_pending(world: World, event: Object) -> Object:
    counted = world.store.rows(
        "SELECT count(*) FROM deliveries WHERE event_id = ? AND state <> 'delivered'", event["id"]
    )
    return event | {"pending_webhooks": counted[0][0]}

"""The control API under `/_sandbox/`, by which tests and the demo control the sandbox. JSON in, JSON out.

It needs no key, because the sandbox listens on the loopback address only. `CONTROLS` below lists all calls.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

from config.devtools.stripe_sandbox.clock import API, BILLING, add_interval
from config.devtools.stripe_sandbox.faults import read_fault
from config.devtools.stripe_sandbox.protocol.errors import StripeError, invalid, no_route
from config.devtools.stripe_sandbox.resources import checkout, completion
from config.devtools.stripe_sandbox.resources.billing.invoices import intent_of
from config.devtools.stripe_sandbox.resources.disputes import close_dispute, open_dispute
from config.devtools.stripe_sandbox.resources.payments import charge_of_intent
from config.devtools.stripe_sandbox.resources.payouts import fail_payout, pay_out
from config.devtools.stripe_sandbox.resources.refunds import fail_refund, refund_charge
from config.devtools.stripe_sandbox.sandbox import Sandbox
from config.devtools.stripe_sandbox.signatures import read_manner
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import World, public

_BEHAVIOURS = ("pays", "declines")


@dataclass(frozen=True)
class ControlCall:
    """One control call: what its path names, its query and its body."""

    names: tuple[str, ...]
    query: dict[str, str]
    body: Object


# --- The sandbox itself -----------------------------------------------------------------------------------
def health(sandbox: Sandbox, call: ControlCall) -> Any:
    """Report that the sandbox runs."""
    return {"ok": True}


def reset(sandbox: Sandbox, call: ControlCall) -> Any:
    """Delete everything except the keys and the endpoint that the sandbox was started with."""
    sandbox.reset()
    return {"ok": True}


def list_requests(sandbox: Sandbox, call: ControlCall) -> Any:
    """List the requests to the API, oldest first; `?after=` a number, `?method=`, `?path=` a pattern."""
    method, path = call.query.get("method", "*"), call.query.get("path", "*")
    return [
        each
        for each in sandbox.store.log("requests", _number(call.query.get("after", "0")))
        if fnmatchcase(each["method"], method) and fnmatchcase(each["path"], path)
    ]


def add_key(sandbox: Sandbox, call: ControlCall) -> Any:
    """`{"secret_key": "sk_test_…"}` is accepted from now on."""
    with sandbox.store.transaction():
        return sandbox.add_key(_text(call.body, "secret_key"))


def remove_key(sandbox: Sandbox, call: ControlCall) -> Any:
    """`{"secret_key": "sk_test_…"}` is refused from now on."""
    with sandbox.store.transaction():
        sandbox.remove_key(_text(call.body, "secret_key"))
    return {"ok": True}


# --- Faults -----------------------------------------------------------------------------------------------
def list_faults(sandbox: Sandbox, call: ControlCall) -> Any:
    """List every fault, with the number of its hits."""
    return sandbox.api.faults.all()


def add_fault(sandbox: Sandbox, call: ControlCall) -> Any:
    """Turn a fault on; see `faults.py`."""
    fault = read_fault(call.body)
    with sandbox.store.transaction():
        return sandbox.api.faults.add(fault)


def remove_faults(sandbox: Sandbox, call: ControlCall) -> Any:
    """Turn a fault off, or all of them."""
    with sandbox.store.transaction():
        sandbox.api.faults.remove(call.names[0] if call.names else None)
    return {"ok": True}


# --- Shapes of answers ------------------------------------------------------------------------------------
def set_shapes(sandbox: Sandbox, call: ControlCall) -> Any:
    """`{"seed": 7}` varies the answers of the API from now on; `{}` makes them plain again. See `shapes.py`."""
    seed = call.body.get("seed")
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool)):
        raise invalid("seed must be a whole number.", param="seed")
    with sandbox.store.transaction():
        sandbox.store.set("shapes", seed)
    return {"seed": seed}


# --- Webhooks ---------------------------------------------------------------------------------------------
def show_webhooks(sandbox: Sandbox, call: ControlCall) -> Any:
    """Show how events are delivered, where to, and how many are pending."""
    waiting = sandbox.store.rows("SELECT state, count(*) FROM deliveries GROUP BY state")
    endpoints = [
        {name: value for name, value in each.items() if name != "secret"} for each in sandbox.deliveries.endpoints()
    ]
    return {"manner": asdict(sandbox.deliveries.manner()), "endpoints": endpoints, "deliveries": dict(waiting)}


def set_webhooks(sandbox: Sandbox, call: ControlCall) -> Any:
    """Deliver in this manner from now on; see `signatures.py`. An empty body restores the default."""
    manner = read_manner(call.body)
    with sandbox.store.transaction():
        sandbox.store.set("manner", call.body)
    return asdict(manner)


def flush_webhooks(sandbox: Sandbox, call: ControlCall) -> Any:
    """Attempt all pending deliveries now. Return the attempts."""
    return sandbox.deliveries.flush()


def list_attempts(sandbox: Sandbox, call: ControlCall) -> Any:
    """List delivery attempts, oldest first; `?after=` a number, `?event=` an id, `?type=` a pattern."""
    event, kind = call.query.get("event", "*"), call.query.get("type", "*")
    return [
        each
        for each in sandbox.store.log("attempts", _number(call.query.get("after", "0")))
        if fnmatchcase(each["event"], event) and fnmatchcase(each["type"], kind)
    ]


def deliver_event(sandbox: Sandbox, call: ControlCall) -> Any:
    """Send an event again, in the manner that the body describes. Return the attempts."""
    manner = read_manner(call.body)
    with sandbox.store.transaction():
        event = sandbox.world.get("event", call.names[0])
    return sandbox.deliveries.deliver(event, manner)


def add_endpoint(sandbox: Sandbox, call: ControlCall) -> Any:
    """`{"url", "secret", "events"?}` gets events from now on."""
    with sandbox.store.transaction():
        url, secret = _text(call.body, "url"), _text(call.body, "secret")
        return sandbox.add_endpoint(url, secret, events=call.body.get("events"))


def remove_endpoint(sandbox: Sandbox, call: ControlCall) -> Any:
    """Stop sending events to an endpoint."""
    with sandbox.store.transaction():
        others = [each for each in sandbox.deliveries.endpoints() if each["id"] != call.names[0]]
        sandbox.store.set("endpoints", others)
    return {"ok": True}


# --- Time and cards ---------------------------------------------------------------------------------------
def show_clock(sandbox: Sandbox, call: ControlCall) -> Any:
    """Show both clocks, in seconds since the epoch."""
    with sandbox.store.lock:
        clock = sandbox.world.clock
        return {"api": clock.now(API), "billing": clock.now(BILLING)}


def advance_clock(sandbox: Sandbox, call: ControlCall) -> Any:
    """Advance the billing clock by `{"seconds"}` or `{"months"}`, then run due timers.

    With `"everything": true` the API's clock, which sessions and keys expire by, advances too.
    """
    seconds = call.body.get("seconds", 0)
    months = call.body.get("months", 0)
    if not isinstance(seconds, int) or not isinstance(months, int) or seconds < 0 or months < 0:
        raise invalid("The clock advances by whole seconds or months.")
    with sandbox.store.transaction():
        clock = sandbox.world.clock
        if months:
            now = clock.now(BILLING)
            seconds += add_interval(now, "month", months) - now
        clock.advance(seconds, everything=bool(call.body.get("everything")))
        done = sandbox.world.run_due()
        return {"api": clock.now(API), "billing": clock.now(BILLING), "done": done}


def set_cards(sandbox: Sandbox, call: ControlCall) -> Any:
    """`{"behaviour": "pays" | "declines", "customer"?}`: choose what saved cards do at renewals."""
    behaviour = _text(call.body, "behaviour")
    if behaviour not in _BEHAVIOURS:
        raise invalid(f"behaviour must be one of {', '.join(_BEHAVIOURS)}.", param="behaviour")
    with sandbox.store.transaction():
        cards = sandbox.store.setting("cards", {"default": "pays", "customers": {}})
        if customer := call.body.get("customer"):
            sandbox.world.get("customer", customer, param="customer")
            cards["customers"][customer] = behaviour
        else:
            cards = {"default": behaviour, "customers": {}}
        sandbox.store.set("cards", cards)
    return cards


# --- Sessions, payments -----------------------------------------------------------------------------------
def act_on_session(sandbox: Sandbox, call: ControlCall) -> Any:
    """Act as the customer on the page, or as the bank later. Return the session and the browser's next address."""
    identifier, action = call.names
    world = sandbox.world
    with sandbox.store.transaction():
        world.run_due()
        session = world.get("checkout.session", identifier)
        goes_to = act(world, session, action, email=call.body.get("email"))
        return {"session": public(session), "redirect": goes_to}


def act(world: World, session: Object, action: str, *, email: str | None = None) -> str | None:
    """Perform the action. Return the next address of the customer's browser, or None if it stays on the page.

    Raises: StripeError if the session's state does not allow the action.
    """
    if action in ("pay", "pay_async"):
        completion.pay(world, session, email=email, later=action == "pay_async")
        return completion.success_url(session)
    if action == "leave":
        left: str | None = session["cancel_url"]
        return left
    if action == "expire" and session["status"] != "open":
        raise invalid(f"This Checkout Session has a status of `{session['status']}`.")
    {
        "refuse": completion.refuse,
        "settle_async": completion.settle_debit,
        "fail_async": completion.fail_debit,
        "expire": checkout.expire_session,
    }[action](world, session)
    return None


def refund(sandbox: Sandbox, call: ControlCall) -> Any:
    """Refund as from Stripe's dashboard: `{"amount"?}` of a charge, payment, invoice or session."""
    with sandbox.store.transaction():
        charge = _charge_of(sandbox.world, call.names[0])
        return public(refund_charge(sandbox.world, charge, amount=call.body.get("amount")))


def dispute(sandbox: Sandbox, call: ControlCall) -> Any:
    """Dispute as the customer's bank: `{"amount"?, "reason"?}` of a charge, payment, invoice or session."""
    with sandbox.store.transaction():
        charge = _charge_of(sandbox.world, call.names[0])
        reason = call.body.get("reason", "fraudulent")
        return public(open_dispute(sandbox.world, charge, amount=call.body.get("amount"), reason=reason))


def close(sandbox: Sandbox, call: ControlCall) -> Any:
    """Decide a dispute: `{"status": "won" | "lost"}`."""
    with sandbox.store.transaction():
        found = sandbox.world.get("dispute", call.names[0])
        return public(close_dispute(sandbox.world, found, status=_text(call.body, "status")))


def let_refund_fail(sandbox: Sandbox, call: ControlCall) -> Any:
    """Let a refund fail, as when the bank cannot accept it."""
    with sandbox.store.transaction():
        found = sandbox.world.get("refund", call.names[0])
        if found["status"] != "succeeded":
            raise invalid(f"This refund is {found['status']}.")
        return public(fail_refund(sandbox.world, found))


def set_fees(sandbox: Sandbox, call: ControlCall) -> Any:
    """`{"basis_points", "fixed", "dispute"}`: choose what charges and disputes cost from now on, in minor units."""
    fees = {name: call.body.get(name, 0) for name in ("basis_points", "fixed", "dispute")}
    if not all(isinstance(each, int) and each >= 0 for each in fees.values()):
        raise invalid("Fees are whole numbers from 0 on.")
    with sandbox.store.transaction():
        sandbox.store.set("fees", fees)
    return fees


def make_payout(sandbox: Sandbox, call: ControlCall) -> Any:
    """`{"currency"}`: pay out the balance, as Stripe's schedule does."""
    with sandbox.store.transaction():
        return public(pay_out(sandbox.world, currency=_text(call.body, "currency").lower()))


def let_payout_fail(sandbox: Sandbox, call: ControlCall) -> Any:
    """Let the bank return a payout."""
    with sandbox.store.transaction():
        return public(fail_payout(sandbox.world, sandbox.world.get("payout", call.names[0])))


def _charge_of(world: World, identifier: str) -> Object:
    item = world.store.load(identifier)
    if item and item["object"] == "checkout.session":
        item = world.store.load(item["payment_intent"] or item["invoice"] or "")
    if item and item["object"] == "invoice":
        item = intent_of(world, item)
    if item and item["object"] == "payment_intent":
        item = charge_of_intent(world, item, param="id")
    if item is None or item["object"] != "charge":
        raise invalid(f"{identifier} has no charge.")
    return item


def _text(body: Object, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise invalid(f"Missing {name}.", param=name)
    return value


def _number(text: str) -> int:
    if not text.isdecimal():
        raise invalid(f"Not a number: {text}")
    return int(text)


Control = Callable[[Sandbox, ControlCall], Any]
# Method and path below /_sandbox/; `*` matches one name.
CONTROLS: dict[tuple[str, str], Control] = {
    ("GET", "health"): health,
    ("POST", "reset"): reset,
    ("GET", "requests"): list_requests,
    ("POST", "keys"): add_key,
    ("DELETE", "keys"): remove_key,
    ("GET", "faults"): list_faults,
    ("POST", "faults"): add_fault,
    ("DELETE", "faults"): remove_faults,
    ("DELETE", "faults/*"): remove_faults,
    ("POST", "shapes"): set_shapes,
    ("GET", "webhooks"): show_webhooks,
    ("POST", "webhooks"): set_webhooks,
    ("POST", "webhooks/flush"): flush_webhooks,
    ("GET", "attempts"): list_attempts,
    ("POST", "events/*/deliver"): deliver_event,
    ("POST", "endpoints"): add_endpoint,
    ("DELETE", "endpoints/*"): remove_endpoint,
    ("GET", "clock"): show_clock,
    ("POST", "clock"): advance_clock,
    ("POST", "cards"): set_cards,
    **{
        ("POST", f"sessions/*/{action}"): act_on_session
        for action in ("pay", "refuse", "pay_async", "settle_async", "fail_async", "leave", "expire")
    },
    ("POST", "payments/*/refund"): refund,
    ("POST", "payments/*/dispute"): dispute,
    ("POST", "disputes/*/close"): close,
    ("POST", "refunds/*/fail"): let_refund_fail,
    ("POST", "fees"): set_fees,
    ("POST", "payouts"): make_payout,
    ("POST", "payouts/*/fail"): let_payout_fail,
}


def control(sandbox: Sandbox, method: str, path: str, query: dict[str, str], body: Object) -> Any:
    """Find the control call and run it.

    Raises: StripeError if no call has this path, or if the call refuses.
    """
    steps = path.split("/")
    for (wanted, pattern), run in CONTROLS.items():
        parts = pattern.split("/")
        if wanted == method and len(parts) == len(steps):
            pairs = list(zip(parts, steps, strict=True))
            if all(part in ("*", step) for part, step in pairs):
                names = [step for part, step in pairs if part == "*"]
                if run is act_on_session:
                    names.append(steps[-1])
                return _run(run, sandbox, ControlCall(tuple(names), query, body))
    raise no_route(method, f"/_sandbox/{path}")


def _run(run: Control, sandbox: Sandbox, call: ControlCall) -> Any:
    try:
        return run(sandbox, call)
    except (TypeError, ValueError) as error:
        raise StripeError(f"The control call is malformed: {error}") from error

"""The addresses of the pages, and the actions of their buttons."""

from dataclasses import dataclass, field
from urllib.parse import parse_qs

from config.devtools.stripe_sandbox.control import ControlCall, act, act_on_session, advance_clock, set_cards
from config.devtools.stripe_sandbox.pages.account import (
    invoice_page,
    invoice_pdf,
    overview,
    portal_page,
    receipt_page,
)
from config.devtools.stripe_sandbox.pages.checkout import checkout_page
from config.devtools.stripe_sandbox.pages.layout import message
from config.devtools.stripe_sandbox.protocol.errors import StripeError
from config.devtools.stripe_sandbox.resources.billing.invoices import collect
from config.devtools.stripe_sandbox.resources.billing.subscriptions import set_end_with_period
from config.devtools.stripe_sandbox.sandbox import Sandbox

OK = 200
SEE_OTHER = 303
NOT_FOUND = 404
_ACTIONS = ("pay", "refuse", "pay_async")


@dataclass(frozen=True)
class Page:
    """A response to a browser."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "text/html; charset=utf-8"})


def show(sandbox: Sandbox, path: str, query: str) -> Page:
    """Render the page at an address."""
    steps = path.strip("/").split("/")
    try:
        with sandbox.store.transaction():
            sandbox.world.run_due()
            return _show(sandbox, steps, "declined" in parse_qs(query))
    except StripeError:
        return _html(message("There is nothing here", "The address is wrong, or the sandbox was reset."), NOT_FOUND)


def _show(sandbox: Sandbox, steps: list[str], declined: bool) -> Page:
    world = sandbox.world
    match steps:
        case [""]:
            return _html(overview(sandbox))
        case ["c", "pay", identifier]:
            return _html(checkout_page(world.get("checkout.session", identifier), declined=declined))
        case ["i", identifier]:
            return _html(invoice_page(world.get("invoice", identifier), declined=declined))
        case ["i", identifier, "pdf"]:
            document = invoice_pdf(world.get("invoice", identifier))
            return Page(OK, document, {"Content-Type": "application/pdf"})
        case ["p", "session", identifier]:
            return _html(portal_page(world, world.get("billing_portal.session", identifier)))
        case ["receipts", identifier]:
            return _html(receipt_page(world.get("charge", identifier)))
    raise StripeError("no such page")


def post(sandbox: Sandbox, path: str, form: str) -> Page:
    """Perform the action of a button."""
    steps = path.strip("/").split("/")
    given = {name: values[0] for name, values in parse_qs(form).items()}
    try:
        return _post(sandbox, steps, given)
    except StripeError as error:
        return _html(message("That did not work", str(error)), error.status)


def _post(sandbox: Sandbox, steps: list[str], given: dict[str, str]) -> Page:
    match steps:
        case ["c", "pay", identifier] if given.get("action") in _ACTIONS:
            return _press(sandbox, identifier, given)
        case ["i", identifier, "pay"]:
            return _pay_invoice(sandbox, identifier)
        case ["p", "session", identifier, subscription, "end" | "keep" as verb]:
            with sandbox.store.transaction():
                portal = sandbox.world.get("billing_portal.session", identifier)
                found = sandbox.world.get("subscription", subscription)
                if found["customer"] == portal["customer"] and found["status"] != "canceled":
                    set_end_with_period(sandbox.world, found, verb == "end")
            return _see(f"/p/session/{identifier}")
        case ["overview", "month"]:
            advance_clock(sandbox, ControlCall((), {}, {"months": 1}))
            return _see("/")
        case ["overview", "cards", behaviour]:
            set_cards(sandbox, ControlCall((), {}, {"behaviour": behaviour}))
            return _see("/")
        case ["overview", "sessions", identifier, "settle_async" | "fail_async" as action]:
            act_on_session(sandbox, ControlCall((identifier, action), {}, {}))
            return _see("/")
    raise StripeError("There is nothing here", status=NOT_FOUND)


def _press(sandbox: Sandbox, identifier: str, given: dict[str, str]) -> Page:
    """Perform a button of the checkout page. If the session is no longer open, show its page."""
    with sandbox.store.transaction():
        sandbox.world.run_due()
        session = sandbox.world.get("checkout.session", identifier)
        if session["status"] != "open":
            return _see(f"/c/pay/{identifier}")
        goes_to = act(sandbox.world, session, given["action"], email=given.get("email"))
    return _see(goes_to or f"/c/pay/{identifier}?declined=1")


def _pay_invoice(sandbox: Sandbox, identifier: str) -> Page:
    with sandbox.store.transaction():
        invoice = sandbox.world.get("invoice", identifier)
        paid = invoice["status"] != "open" or collect(sandbox.world, invoice)
    return _see(f"/i/{identifier}" if paid else f"/i/{identifier}?declined=1")


def _html(text: str, status: int = OK) -> Page:
    return Page(status, text.encode())


def _see(address: str) -> Page:
    return Page(SEE_OTHER, b"", {"Location": address})

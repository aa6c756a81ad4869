"""Objects have the fields that the pinned library declares for them: none invented, none of the required missing.

The library's classes are generated from Stripe's description of its API, so this is as near to Stripe's own answers
as a test without Stripe can come.
"""

from typing import Any, Union, get_args, get_origin

import stripe

from tests.stripe_sandbox.create_sessions import open_session, open_with_credit
from tests.stripe_sandbox.sandbox_process import SandboxProcess

LIBRARY: dict[str, type[Any]] = {
    "account": stripe.Account,
    "balance": stripe.Balance,
    "balance_transaction": stripe.BalanceTransaction,
    "billing_portal.session": stripe.billing_portal.Session,
    "charge": stripe.Charge,
    "checkout.session": stripe.checkout.Session,
    "coupon": stripe.Coupon,
    "customer": stripe.Customer,
    "discount": stripe.Discount,
    "dispute": stripe.Dispute,
    "event": stripe.Event,
    "invoice": stripe.Invoice,
    "invoice_payment": stripe.InvoicePayment,
    "item": stripe.LineItem,
    "line_item": stripe.InvoiceLineItem,
    "list": stripe.ListObject,
    "payment_intent": stripe.PaymentIntent,
    "payment_method": stripe.PaymentMethod,
    "payout": stripe.Payout,
    "plan": stripe.Plan,
    "price": stripe.Price,
    "product": stripe.Product,
    "refund": stripe.Refund,
    "subscription": stripe.Subscription,
    "subscription_item": stripe.SubscriptionItem,
}
# The members of these are named by their author, or by the kind of payment method.
FREE_FORM = {"metadata", "previous_attributes", "card", "sepa_debit"}


def declared(kind: type[Any]) -> dict[str, Any]:
    hints: dict[str, Any] = {}
    for name, hint in kind.__annotations__.items():
        if name.startswith("_") or name == "OBJECT_NAME":
            continue
        hints[name.rstrip("_")] = hint
    return hints | ({"object": str} if kind is stripe.ListObject else {})


def is_optional(hint: Any) -> bool:
    return get_origin(hint) is Union and type(None) in get_args(hint)


def class_of(hint: Any) -> type[Any] | None:
    """The library's class of a nested object, where the hint names one."""
    if isinstance(hint, type) and issubclass(hint, stripe.StripeObject):
        return hint
    return next((found for each in get_args(hint) if (found := class_of(each))), None)


def problems_of(item: Any, kind: type[Any] | None, path: str) -> list[str]:
    if isinstance(item, list):
        return [problem for each in item for problem in problems_of(each, kind, path)]
    if not isinstance(item, dict):
        return []
    kind = LIBRARY.get(str(item.get("object")), kind)
    found: list[str] = []
    hints = declared(kind) if kind else {}
    if kind and hints:
        found += [f"{path}: {kind.__name__} has no {name}" for name in item if name not in hints]
        found += [
            f"{path}: {kind.__name__} lacks {name}"
            for name, hint in hints.items()
            if name not in item and not is_optional(hint)
        ]
        found += [
            f"{path}.{name} is null, and {kind.__name__} does not allow it"
            for name, value in item.items()
            if value is None and name in hints and not is_optional(hints[name])
        ]
    for name, value in item.items():
        if name not in FREE_FORM:
            found += problems_of(value, class_of(hints.get(name)), f"{path}.{name}")
    return found


def everything(sandbox: SandboxProcess, client: stripe.StripeClient) -> list[Any]:
    """One object of every kind, in most of the states they can have."""
    sandbox.control("POST", "fees", {"basis_points": 290, "fixed": 100, "dispute": 5_770})
    session = open_with_credit(client)
    sandbox.session(session.id, "refuse")
    sandbox.session(session.id, "pay")
    sandbox.session(open_with_credit(client).id, "pay_async")
    sandbox.control("POST", "clock", {"months": 1})
    refund = client.v1.refunds.create({"charge": client.v1.charges.list().data[0].id, "amount": 1_000})
    sandbox.control("POST", f"refunds/{refund.id}/fail")
    sandbox.control("POST", f"payments/{client.v1.charges.list().data[0].id}/dispute")
    sandbox.control("POST", f"payouts/{sandbox.control('POST', 'payouts', {'currency': 'omr'})['id']}/fail")
    client.v1.billing_portal.sessions.create({"customer": str(session.customer)})
    paths = (
        "account",
        "balance",
        "balance_transactions",
        "charges?expand[]=data.refunds",
        "checkout/sessions?expand[]=data.line_items",
        "coupons",
        "customers?expand[]=data.subscriptions",
        "disputes",
        "events?limit=100",
        "invoice_payments",
        "invoices?expand[]=data.discounts&expand[]=data.payments",
        "payment_intents",
        "payment_methods",
        "payouts",
        "prices",
        "products",
        "refunds",
        "subscriptions?status=all",
    )
    return [sandbox.api("GET", f"/v1/{path}").json() for path in paths]


def test_objects_are_what_the_library_declares(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    answers = everything(sandbox, client)
    problems = {problem for answer in answers for problem in problems_of(answer, None, answer["object"])}
    assert sorted(problems) == []
    assert kinds_in(answers) == set(LIBRARY) - {"billing_portal.session"}
    portal = client.v1.billing_portal.sessions.create({"customer": client.v1.customers.list().data[0].id})
    assert problems_of(portal.to_dict(), None, "portal") == []


def test_checker_sees_what_is_wrong() -> None:
    wrong = {"object": "coupon", "id": "x", "created": 1, "duration": None, "colour": "red", "livemode": False}
    assert problems_of(wrong, None, "coupon") == [
        "coupon: Coupon has no colour",
        "coupon: Coupon lacks times_redeemed",
        "coupon: Coupon lacks valid",
        "coupon.duration is null, and Coupon does not allow it",
    ]


def test_event_types_are_stripes(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    everything(sandbox, client)
    sandbox.session(open_session(client).id, "expire")
    known = set(get_args(stripe.Event.__annotations__["type"]))
    assert {event["type"] for event in sandbox.events()} <= known


def kinds_in(value: Any) -> set[str]:
    if isinstance(value, list):
        return {kind for each in value for kind in kinds_in(each)}
    if not isinstance(value, dict):
        return set()
    own = {value["object"]} if isinstance(value.get("object"), str) else set()
    return own | {kind for each in value.values() for kind in kinds_in(each)}

"""A guard: each amount for a card, and each price, is checked by the one rule of what Stripe can charge."""

from .product import callers_of

REQUEST_REFUND = "orders/use_cases/payments/request_refund.py"
OPEN_PAYMENT = "orders/use_cases/payments/open_payment.py _reserve"
RENEWAL = "orders/use_cases/subscriptions/renew_subscription.py _request_payment"
CHANGE_CATALOG = "orders/use_cases/catalog/change_catalog.py"


def test_every_payment_is_an_amount_that_can_be_charged() -> None:
    assert callers_of("Payment.objects.create") == {OPEN_PAYMENT, RENEWAL}
    quote = "orders/use_cases/checkout/quote_checkout.py _split"
    assert callers_of("split_total") == {OPEN_PAYMENT, RENEWAL, quote}


def test_every_refund_is_an_amount_that_can_be_refunded() -> None:
    assert callers_of("Refund.objects.create") == {f"{REQUEST_REFUND} request_refund"}
    asks, checks = callers_of("request_refund"), callers_of("_check_amount", "find_refundable")
    # What comes too late is returned as it was paid.
    assert asks - checks == {"orders/use_cases/payments/settle_payment.py _refund_late_payment"}


def test_every_way_to_set_a_price_checks_it() -> None:
    console, seed = (
        "orders/admin/catalog.py clean_price_minor",
        "orders/use_cases/catalog/seed_catalog.py _check_prices",
    )
    assert callers_of("check_price") == {console, seed, f"{CHANGE_CATALOG} _check"}
    assert callers_of("_check") >= {f"{CHANGE_CATALOG} add_item", f"{CHANGE_CATALOG} change_item"}

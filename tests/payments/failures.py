"""Every way in which a call to Stripe fails, as switches of the sandbox.

Ours gives up after `ANSWER_SECONDS` of conftest.py. A failure comes once, so that the library tries again and meets a
healthy Stripe, or lasts until it is healed.
"""

from typing import Any

from tests.payments.conftest import ANSWER_SECONDS

Switch = dict[str, Any]

LATE = round(1.4 * ANSWER_SECONDS, 3)
ONCE, LASTING = "once", "lasting"
EXTENTS = {ONCE: 1, LASTING: None}

FAILURES: dict[str, Switch] = {
    "slow": {"effect": "delay", "seconds": ANSWER_SECONDS / 6},
    "executed-after-we-gave-up": {"effect": "delay", "seconds": LATE},
    "answered-after-we-gave-up": {"when": "after", "effect": "delay", "seconds": LATE},
    "dropped-before": {"effect": "drop"},
    "dropped-after": {"when": "after", "effect": "drop"},
    "cut": {"when": "after", "effect": "cut"},
    "garbage-before": {"effect": "garbage"},
    "garbage-after": {"when": "after", "effect": "garbage"},
    **{str(status): {"effect": "answer", "status": status} for status in (400, 401, 402, 403, 404, 409, 429)},
    "500-stored-before": {"effect": "answer", "status": 500, "stored": True},
    "500-stored-after": {"when": "after", "effect": "answer", "status": 500, "stored": True},
    "503-before": {"effect": "answer", "status": 503},
    "503-after": {"when": "after", "effect": "answer", "status": 503},
}

# The calls, by method and path.
CUSTOMER = {"method": "POST", "path": "/v1/customers"}
COUPON = {"method": "POST", "path": "/v1/coupons"}
SESSION = {"method": "POST", "path": "/v1/checkout/sessions"}
EXPIRE = {"method": "POST", "path": "/v1/checkout/sessions/*/expire"}
LOOK = {"method": "GET", "path": "/v1/checkout/sessions/*"}
PAYMENT = {"method": "GET", "path": "/v1/invoice_payments"}
REFUND = {"method": "POST", "path": "/v1/refunds"}
REFUNDS = {"method": "GET", "path": "/v1/refunds"}
CHARGES = {"method": "GET", "path": "/v1/charges"}
CANCEL = {"method": "DELETE", "path": "/v1/subscriptions/*"}
INVOICES = {"method": "GET", "path": "/v1/invoices"}
VOID = {"method": "POST", "path": "/v1/invoices/*/void"}


def switch(call: Switch, failure: str, extent: str) -> Switch:
    """The switch for a call that fails in this way."""
    return {**call, **FAILURES[failure], "count": EXTENTS[extent]}

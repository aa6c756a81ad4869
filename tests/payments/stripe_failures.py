"""Every way in which a call to Stripe fails, as faults of the sandbox.

The service gives up after `ANSWER_SECONDS`. A failure happens once, so that the library's retry succeeds, or lasts
until the test switches it off.
"""

from typing import Any

Fault = dict[str, Any]

# How long the service waits for an answer in tests; the sandbox answers within a tenth of it.
ANSWER_SECONDS = 0.6
LATE_SECONDS = round(1.4 * ANSWER_SECONDS, 3)
ONCE, LASTING = "once", "lasting"
EXTENTS = {ONCE: 1, LASTING: None}

FAILURES: dict[str, Fault] = {
    "slow": {"effect": "delay", "seconds": ANSWER_SECONDS / 6},
    "executed-after-we-gave-up": {"effect": "delay", "seconds": LATE_SECONDS},
    "answered-after-we-gave-up": {"when": "after", "effect": "delay", "seconds": LATE_SECONDS},
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

# The calls of the service, by method and path.
CREATE_CUSTOMER = {"method": "POST", "path": "/v1/customers"}
CREATE_COUPON = {"method": "POST", "path": "/v1/coupons"}
CREATE_SESSION = {"method": "POST", "path": "/v1/checkout/sessions"}
EXPIRE_SESSION = {"method": "POST", "path": "/v1/checkout/sessions/*/expire"}
READ_SESSION = {"method": "GET", "path": "/v1/checkout/sessions/*"}
LIST_INVOICE_PAYMENTS = {"method": "GET", "path": "/v1/invoice_payments"}
CREATE_REFUND = {"method": "POST", "path": "/v1/refunds"}
LIST_REFUNDS = {"method": "GET", "path": "/v1/refunds"}
LIST_CHARGES = {"method": "GET", "path": "/v1/charges"}
CANCEL_SUBSCRIPTION = {"method": "DELETE", "path": "/v1/subscriptions/*"}
LIST_INVOICES = {"method": "GET", "path": "/v1/invoices"}
VOID_INVOICE = {"method": "POST", "path": "/v1/invoices/*/void"}


def fault_for(call: Fault, failure: str, extent: str) -> Fault:
    """The fault that makes this call fail in this way."""
    return {**call, **FAILURES[failure], "count": EXTENTS[extent]}

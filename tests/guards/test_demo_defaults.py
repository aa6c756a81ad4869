"""A guard: the demo runs on the defaults that production has, so that no default is tried only by customers."""

import ast

from .product import PROJECT

ENVIRONMENT = PROJECT / "config" / "devtools" / "demo" / "environment.py"
PLACES = "ports, addresses and where the demo runs"
SECRETS = "secrets that each demo makes for itself"
# Each variable that the demo sets, and why its value can hide no default.
SET = {
    **dict.fromkeys(["DEMO", "DJANGO_SETTINGS_MODULE", "ALLOWED_HOSTS", "BIND_ADDRESS", "PORT"], PLACES),
    **dict.fromkeys(["CHECKOUT_SUCCESS_URL", "CHECKOUT_CANCEL_URL", "STRIPE_API_BASE"], PLACES),
    **dict.fromkeys(["CONSOLE_URL", "UNSUBSCRIBE_URL", "CARD_REDEEM_URL"], PLACES),
    **dict.fromkeys(["SECRET_KEY", "JWT_SECRET", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"], SECRETS),
    "LEDGER_SIGNING_SECRET": SECRETS,
    "CARD_CODE_SECRET": SECRETS,
    "SOVEREIGN_TIME_ZONE": "UTC, the default, would hide a time that is shown without a zone",
    **dict.fromkeys(["SELLER_NAME", "SELLER_ADDRESS", "SELLER_VAT_NUMBER"], "invoices show where each stands"),
    "WEB_CONCURRENCY": "two processes show what one hides",
    "PYTHONUNBUFFERED": "the log is shown at once",
}


def test_every_variable_that_the_demo_sets_is_listed() -> None:
    keys: set[object] = set()
    for node in ast.walk(ast.parse(ENVIRONMENT.read_text())):
        names = node.keys if isinstance(node, ast.Dict) else []
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            names = [node.slice]
        keys |= {name.value for name in names if isinstance(name, ast.Constant)}
    assert keys == set(SET)

"""The account and its balance transactions, as far as clients look them up.

Not reproduced: fees, payouts, capabilities, connected accounts.
"""

from stripe.params import BalanceTransactionListParams, BalanceTransactionRetrieveParams

from config.devtools.stripe_sandbox.protocol.endpoints import endpoint
from config.devtools.stripe_sandbox.protocol.errors import missing
from config.devtools.stripe_sandbox.protocol.parameters import accept
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import ACCOUNT, World

_READ = accept(BalanceTransactionRetrieveParams, "")


def _account(world: World) -> Object:
    return {
        "id": ACCOUNT,
        "object": "account",
        "business_profile": {"name": "Sandbox", "support_email": None, "url": None},
        "business_type": None,
        "capabilities": {},
        "charges_enabled": True,
        "country": "AE",
        "default_currency": "omr",
        "details_submitted": True,
        "email": None,
        "metadata": {},
        "payouts_enabled": True,
        "settings": {
            "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
            "card_payments": {
                "decline_on": {"avs_failure": False, "cvc_failure": False},
                "statement_descriptor_prefix": None,
                "statement_descriptor_prefix_kana": None,
                "statement_descriptor_prefix_kanji": None,
            },
            "dashboard": {"display_name": "Sandbox", "timezone": "Etc/UTC"},
            "payments": {
                "statement_descriptor": "SANDBOX",
                "statement_descriptor_kana": None,
                "statement_descriptor_kanji": None,
            },
        },
        "type": "standard",
    }


@endpoint("GET", "/v1/account", _READ)
def retrieve_own(world: World) -> Object:
    """Return the account of the key."""
    return _account(world)


@endpoint("GET", "/v1/accounts/{id}", _READ)
def retrieve(world: World, identifier: str) -> Object:
    """Return the account, by its id. There is only one."""
    if identifier != ACCOUNT:
        raise missing("account", identifier)
    return _account(world)


@endpoint("GET", "/v1/balance_transactions/{id}", _READ)
def retrieve_transaction(world: World, identifier: str) -> Object:
    """Return a balance transaction."""
    return world.get("balance_transaction", identifier)


@endpoint(
    "GET",
    "/v1/balance_transactions",
    accept(BalanceTransactionListParams, "created ending_before limit source starting_after type"),
)
def list_transactions(world: World) -> Object:
    """List the balance transactions, newest first."""
    given = world.call.given
    wanted = {name: given[name] for name in ("source", "type") if name in given}
    return world.page(world.store.select("balance_transaction", **wanted), "/v1/balance_transactions")


def move_balance(world: World, *, kind: str, amount: int, currency: str, source: str) -> str:
    """Book a balance transaction without a fee. Return its id."""
    moved = world.make(
        "balance_transaction",
        {
            "amount": amount,
            "available_on": world.clock.now(),
            "balance_type": "payments",
            "currency": currency,
            "description": None,
            "exchange_rate": None,
            "fee": 0,
            "fee_details": [],
            "net": amount,
            "reporting_category": {"adjustment": "dispute"}.get(kind, kind),
            "source": source,
            "status": "available",
            "type": kind,
        },
    )
    identifier: str = moved["id"]
    return identifier

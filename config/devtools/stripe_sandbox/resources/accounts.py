"""The account, its balance and its balance transactions, as far as clients look them up.

Charges and disputes cost what the control call `fees` says: nothing, until it is called. Not reproduced: balances
that become available later, capabilities, connected accounts.
"""

from stripe.params import BalanceRetrieveParams, BalanceTransactionListParams, BalanceTransactionRetrieveParams

from config.devtools.stripe_sandbox.protocol.endpoints import endpoint
from config.devtools.stripe_sandbox.protocol.errors import missing
from config.devtools.stripe_sandbox.protocol.parameters import accept
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import ACCOUNT, World

_READ = accept(BalanceTransactionRetrieveParams, "")
_CATEGORIES = {"adjustment": "dispute", "stripe_fee": "fee", "payout_failure": "payout_reversal"}
_BASIS = 10_000


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
    accept(BalanceTransactionListParams, "created ending_before limit payout source starting_after type"),
)
def list_transactions(world: World) -> Object:
    """List the balance transactions, newest first."""
    given = world.call.given
    wanted: Object = {name: given[name] for name in ("source", "type") if name in given}
    if "payout" in given:
        wanted["_sandbox__payout"] = given["payout"]
    return world.page(world.store.select("balance_transaction", **wanted), "/v1/balance_transactions")


@endpoint("GET", "/v1/balance", accept(BalanceRetrieveParams, ""))
def retrieve_balance(world: World) -> Object:
    """Return the balance of each currency."""
    sums: dict[str, int] = {}
    for each in world.store.select("balance_transaction"):
        sums[each["currency"]] = sums.get(each["currency"], 0) + each["net"]
    available = [
        {"amount": amount, "currency": currency, "source_types": {"card": amount}}
        for currency, amount in sums.items()
    ]
    pending = [each | {"amount": 0, "source_types": {"card": 0}} for each in available]
    return {"object": "balance", "available": available, "livemode": False, "pending": pending}


def fee_of(world: World, *, kind: str, amount: int) -> int:
    """Compute the fee of a charge, or of a dispute that takes money."""
    fees = world.store.setting("fees", {"basis_points": 0, "fixed": 0, "dispute": 0})
    if kind == "charge":
        return int(amount * fees["basis_points"] // _BASIS + fees["fixed"])
    return int(fees["dispute"]) if kind == "adjustment" and amount < 0 else 0


def move_balance(world: World, *, kind: str, amount: int, currency: str, source: str) -> str:
    """Book a balance transaction with its fee. Return its id."""
    fee = fee_of(world, kind=kind, amount=amount)
    detail = {"amount": fee, "application": None, "currency": currency, "description": "Stripe processing fees"}
    moved = world.make(
        "balance_transaction",
        {
            "amount": amount,
            "available_on": world.clock.now(),
            "balance_type": "payments",
            "currency": currency,
            "description": None,
            "exchange_rate": None,
            "fee": fee,
            "fee_details": [detail | {"type": "stripe_fee"}] if fee else [],
            "net": amount - fee,
            "reporting_category": _CATEGORIES.get(kind, kind),
            "source": source,
            "status": "available",
            "type": kind,
        },
    )
    identifier: str = moved["id"]
    return identifier

"""The definitions of TM Forum's TMF654 v4.0.0 that this service answers, as JSON schemas, and a request from it.

They are written from the public Swagger file: names, types, enumerations and required members. No other member is
allowed here, because the specification names all of a resource's members.
"""

from typing import Any

_TEXT: dict[str, Any] = {"type": "string"}
_MOMENT = {"type": "string", "format": "date-time"}
_FLAG = {"type": "boolean"}
_USAGE = {"enum": ["monetary", "voice", "data", "sms", "other"]}


def _definition(required: str = "", /, **properties: Any) -> dict[str, Any]:
    extensible = {name: _TEXT for name in ("@type", "@baseType", "@schemaLocation")}
    return {
        "type": "object",
        "properties": {**properties, **extensible},
        "required": required.split(),
        "additionalProperties": False,
    }


def _reference(**properties: Any) -> dict[str, Any]:
    names = {name: _TEXT for name in ("id", "href", "name", "@referredType")}
    return _definition("id", **{**names, **properties})


def _some(definition: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": definition}


_QUANTITY = _definition(amount={"type": "number"}, units=_TEXT)
_PERIOD = _definition(startDateTime=_MOMENT, endDateTime=_MOMENT)
_ACCOUNT = _reference(description=_TEXT, status=_TEXT)
_PARTY = _reference(role=_TEXT)
_OWNED = {
    "id": _TEXT,
    "href": _TEXT,
    "description": _TEXT,
    "product": _some(_reference()),
    "partyAccount": _ACCOUNT,
    "relatedParty": _some(_PARTY),
}

TOPUP_BALANCE = _definition(
    "status",
    **_OWNED,
    status={"enum": ["created", "failed", "cancelled", "completed"]},
    confirmationDate=_MOMENT,
    requestedDate=_MOMENT,
    isAutoTopup=_FLAG,
    numberOfPeriods={"type": "integer"},
    reason=_TEXT,
    voucher=_TEXT,
    amount=_QUANTITY,
    balanceTopup=_reference(role=_TEXT),
    bucket=_reference(),
    channel=_reference(),
    logicalResource=_some(_reference()),
    paymentMethod=_reference(),
    recurringPeriod={"enum": ["weekly", "fortnightly", "monthly"]},
    requestor=_PARTY,
    usageType=_USAGE,
    validFor=_PERIOD,
)
BUCKET = _definition(
    **_OWNED,
    confirmationDate=_MOMENT,
    requestedDate=_MOMENT,
    isShared=_FLAG,
    name=_TEXT,
    remainingValueName=_TEXT,
    logicalResource=_some(_reference()),
    remainingValue=_QUANTITY,
    reservedValue=_QUANTITY,
    status={"enum": ["active", "suspended", "expired"]},
    usageType=_USAGE,
    validFor=_PERIOD,
)
ACCUMULATED_BALANCE = _definition(
    "bucket name totalBalance",
    **_OWNED,
    name=_TEXT,
    bucket={**_some(_reference()), "minItems": 1},
    logicalResource=_reference(),
    totalBalance=_QUANTITY,
)
ERROR = _definition(
    "code reason",
    code=_TEXT,
    reason=_TEXT,
    message=_TEXT,
    status=_TEXT,
    referenceError=_TEXT,
)


def topup_balance_create(voucher: str, customer: str) -> dict[str, Any]:
    """Returns a TopupBalance_Create with every member that the specification requires, and those of a voucher."""
    return {
        "description": "Recharge with a scratch card",
        "reason": "low balance",
        "isAutoTopup": False,
        "voucher": voucher,
        "amount": {"amount": 0.0, "units": "OMR"},
        "usageType": "monetary",
        "bucket": {"id": customer, "name": "Main", "@referredType": "Bucket"},
        "partyAccount": {"id": customer, "name": "Prepaid account", "status": "active"},
        "logicalResource": [{"id": "+96890000001", "name": "MSISDN", "@referredType": "LogicalResource"}],
        "product": [{"id": "prepaid-1"}],
        "channel": {"id": "ivr-1", "name": "Hotline of the shop", "@type": "ChannelRef"},
        "paymentMethod": {"id": "pm-1", "name": "voucher"},
        "requestor": {"id": "agent-7", "role": "agent", "@referredType": "Individual"},
        "@type": "TopupBalance",
    }

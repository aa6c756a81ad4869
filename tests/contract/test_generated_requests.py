"""Requests that schemathesis makes of the OpenAPI description: what comes back is as described, never a failure.

A few for each operation, always the same: half of them fit the description and are pointed at what is there, half
of them do not fit it.
"""

from collections import Counter
from typing import Any

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation.modes import GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from billing.models import Customer
from tests.factories import PromoCodeFactory, give_credit

from .api_client import Caller, by_token
from .conftest import tenant_of

pytestmark = pytest.mark.django_db(transaction=True)

EXAMPLES = 3
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    negative_data_rejection,
]
BOUNDED = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
# Refused with 503 because no card processor is configured, which is no defect.
MAY_NEED_CARDS = "POST /api/billing/checkout"
NEED_CARDS = ("POST /api/billing/portal/{tenant_id}", "POST /api/billing/webhook")
# Refused for the basket that the checkout has bought before.
QUOTE = "POST /api/billing/checkout/quote"
# Accepts any text, and answers that it is unavailable.
TAKES_ANYTHING = "GET /api/tenant/check-slug/{slug}"


# Refused to all customers; see test_roles.
STAFF_ONLY = ("/admin/", "/vouchers/issue", "/vouchers/list", "/vouchers/revoke")

Operation = APIOperation[Any, Any, Any, Any]
Facts = dict[str, Any]


def create_facts(caller: Caller) -> Facts:
    """Create records, and return their values by the names of parameters and fields."""
    tenant = tenant_of(caller, "mine")
    give_credit(Customer.objects.get(user_id=caller.user_id), 1_000_000)
    caller.post("billing/checkout", {"tenant_id": tenant, "plan_id": "flexi"})
    items = {"plan_id": "s", "apps": ["wordpress"], "addons": ["backup"]}
    return {"tenant_id": tenant, "organization_id": tenant, **items}


def use_existing_records(case: Case[Any], facts: Facts) -> None:
    """Replace generated references by existing ones, and remove cursors, which cannot be generated."""
    case.query.pop("cursor", None)
    for place in (case.path_parameters, case.body):
        if isinstance(place, dict):
            place.update({name: fact for name, fact in facts.items() if name in place})


def kinds_of(operation: Operation) -> list[GenerationMode]:
    """Return the modes of requests: valid ones, and invalid ones if the operation has any input."""
    takes_input = operation.query or operation.path_parameters or operation.body
    wrong = [GenerationMode.NEGATIVE] if takes_input and operation.label != TAKES_ANYTHING else []
    return [GenerationMode.POSITIVE, *wrong]


def send_generated(operation: Operation, mode: GenerationMode, caller: Caller, facts: Facts) -> Counter[int]:
    """Send generated requests of one mode to an operation, check each answer, and count them by status."""
    statuses: Counter[int] = Counter()

    @BOUNDED
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case: Case[Any]) -> None:
        if mode is GenerationMode.POSITIVE:
            use_existing_records(case, facts)
        headers = dict(caller.headers)
        answer = case.call(headers=headers)
        refused = operation.label in (MAY_NEED_CARDS, *NEED_CARDS) and answer.status_code == 503
        case.validate_response(answer, checks=CHECKS[1:] if refused else CHECKS, headers=headers)
        statuses[answer.status_code] += 1

    run()
    return statuses


@pytest.mark.parametrize("role", ["superadmin", "customer"])
def test_every_answer_is_as_described(shop: None, settings: Any, role: str) -> None:
    settings.PREVIEW_RATE_LIMIT = "100000/min"
    caller = by_token(role)
    facts = create_facts(caller)
    schema = schemathesis.openapi.from_wsgi("/api/schema", get_wsgi_application())
    operations = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    assert len(operations) == schema.statistic.operations.total
    # Operations that delete come last.
    for number, operation in enumerate(sorted(operations, key=lambda each: each.method.upper() == "DELETE")):
        if role == "customer" and any(each in operation.path for each in STAFF_ONLY):
            continue
        # Each request gets a separate code: a customer redeems a code only once, with an order or without.
        code = PromoCodeFactory.create(code=f"GIFT-{number}").code
        facts |= {"code": code, "promo_code": code}
        if operation.label == QUOTE:
            facts = {**facts, "plan_id": "m"}
        for mode in kinds_of(operation):
            statuses = send_generated(operation, mode, caller, facts)
            if mode is GenerationMode.POSITIVE and operation.label not in NEED_CARDS:
                assert statuses.keys() & {200, 201, 410}, f"{operation.label} never succeeds: {statuses}"

"""Requests that schemathesis makes of the OpenAPI description: what comes back is as described, never a failure.

A few for each operation, always the same: half of them fit the description and are pointed at what is there, half
of them do not fit it.
"""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from django.utils import timezone
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

from billing.models import Customer, OrganizationMember, SignInSession
from billing.use_cases.identity.sessions import open_session
from orders import tasks
from orders.models import Document
from orders.use_cases.documents.issue_documents import issue_documents
from orders.use_cases.webhooks.keep_endpoints import register_endpoint
from promos.models import Alert, Batch, Campaign, Dealer
from tests.billing.bulk.make_grants import done as done_grant
from tests.billing.bulk.make_grants import draft as draft_grant
from tests.console import propose_adjustment
from tests.contract.request_bodies import DEFAULT_CAMPAIGN
from tests.factories import (
    AppFactory,
    CampaignFactory,
    CustomerFactory,
    PromoCodeFactory,
    UserFactory,
    actor,
    give_credit,
)
from tests.promos.cards.make_batch import active as active_batch
from tests.promos.cards.make_batch import approved as approved_batch
from tests.promos.cards.make_batch import draft as draft_batch
from tests.promos.cards.make_batch import generated as generated_batch
from tests.promos.cards.make_batch import released as released_batch

from .api_client import Caller, by_token
from .conftest import ALERT_ID, ITEM_IDS, ITEM_SLUGS, tenant_of
from .domain_calls import added

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
# Need a secret batch and two people; see tests/promos/cards/test_secret_batch.py.
PRINTER_FILE = tuple(f"{method} /api/billing/batches/{{batch_id}}/printer-file" for method in ("GET", "POST"))
# Need an identity provider, a password or a mailed code; see test_identity and test_identity_provider.
SIGN_IN = (
    "GET /api/auth/google",
    "POST /api/auth/google/callback",
    "POST /api/auth/login",
    "POST /api/auth/refresh",
    "POST /api/auth/verify",
    "POST /api/billing/personal-data/erase",
)
# Accept any text, and answer that it is unavailable.
TAKE_ANYTHING = ("GET /api/tenant/check-slug/{slug}", "GET /api/domain/check/{subdomain}/{tld}")
APPS = "/api/tenant/orgs/{organization_id}/apps"
# Need one of two ids, which the description cannot say.
REPORT = "POST /api/provisioning/report"
# Need one of several parameters → the one that they get.
ONE_OF = {
    "GET /api/billing/admin/explain": "order_id",
    "GET /api/billing/admin/explain/pdf": "order_id",
    "GET /api/billing/admin/past/balance": "user_id",
    "GET /api/billing/admin/past/voucher": "code",
}

# The act on a campaign → the state in which it is allowed, where that is not a draft.
STATE_BEFORE = {
    "activate": Campaign.Status.APPROVED,
    "pause": Campaign.Status.ACTIVE,
    "budget": Campaign.Status.ACTIVE,
    "end-date": Campaign.Status.ACTIVE,
}
# The act on a batch → how to make a batch that allows it, where that is not an active one.
BATCHES: dict[str, Callable[[str], Batch]] = {
    "propose": draft_batch,
    "approve": draft_batch,
    "generate": approved_batch,
    "release": generated_batch,
    "activate": released_batch,
    "export": released_batch,
}
# Refused to all customers; see test_roles.
STAFF_ONLY = (
    "/admin/",
    "/billing/alerts",
    "/billing/attempts",
    "/billing/batches",
    "/billing/campaigns",
    "/billing/dealers",
    "/billing/grants",
    "/billing/proposals",
    "/billing/ranges",
    "/vouchers/figures",
    "/vouchers/forecast",
    "/vouchers/import",
    "/vouchers/issue",
    "/vouchers/list",
    "/vouchers/revoke",
    "/provisioning/report",
)

Operation = APIOperation[Any, Any, Any, Any]
Facts = dict[str, Any]


def create_facts(caller: Caller) -> Facts:
    """Create records, and return their values by the names of parameters and fields."""
    tenant = tenant_of(caller, "mine")
    give_credit(Customer.objects.get(user_id=caller.user_id), 1_000_000)
    bought = caller.post("billing/checkout", {"tenant_id": tenant, "plan_id": "odd", "apps": ["wordpress"]})
    order_id = bought.body["order_id"]
    tasks.provision_organization(order_id)
    issue_documents(until=timezone.now() + timedelta(milliseconds=1))
    invited = caller.post(f"tenant/orgs/{tenant}/members", {"email": "mel@example.org", "role": "viewer"})
    ids = {"tenant_id": tenant, "organization_id": tenant, "owner_id": tenant, "domain_id": tenant}
    ids |= {"order_id": order_id, "provision_id": order_id, "member": invited.body["id"]}
    ids["document_id"] = str(Document.objects.get(order_id=order_id).pk)
    items = {"plan_id": "s", "apps": ["wordpress"], "addons": ["backup"], "bundle": "starter"}
    return {
        **ids,
        **items,
        "endpoint_id": endpoint_of_webhooks(),
        "url": "https://shop.example.com/hooks",
        "at": "period_end",
        "email": "eve@example.org",
        "domain": "shop.example.com",
        "subdomain": "mine",
    }


def records_of(operation: Operation, caller: Caller) -> Facts:
    """Make the records that one operation needs for itself, because it changes them."""
    act = operation.path.rpartition("/")[2]
    if "{campaign_id}" in operation.path:
        campaign = CampaignFactory.create(status=STATE_BEFORE.get(act, Campaign.Status.DRAFT))
        return {"campaign_id": str(campaign.pk)}
    if any(f"/billing/{part}" in operation.path for part in ("batches", "dealers", "alerts")):
        return cards_of(operation, act)
    if "/billing/grants" in operation.path:
        grant = (done_grant if act == "undo" else draft_grant)(
            "ada,5", name=f"for-{operation.method.lower()}-{act.strip('{}').replace('_', '-')}"
        )
        return {"grant_id": str(grant.pk), "name": "generated", "csv": "ada,5"}
    if "{proposal_id}" in operation.path:
        proposer = actor(user_id=caller.user_id if act == "withdraw" else "proposer")
        return {"proposal_id": str(propose_adjustment(CustomerFactory.create(), by=proposer).pk)}
    if "/customers/merge" in operation.path:
        merged, survivor = CustomerFactory.create_batch(2)
        return {"customer_id": merged.user_id, "into_customer_id": survivor.user_id}
    return {}


def session_of(operation: Operation, caller: Caller) -> Facts:
    """Open a session for the operation that ends one."""
    if "{session_id}" not in operation.path:
        return {}
    user = UserFactory.create(sub=caller.user_id)
    open_session(user=user, method="code")
    return {"session_id": str(SignInSession.objects.get(user=user).pk)}


def endpoint_of_webhooks() -> str:
    """Register an endpoint, and return its id."""
    return str(register_endpoint(url="https://shop.example.com/hooks", by=actor()).endpoint.pk)


def cards_of(operation: Operation, act: str) -> Facts:
    """Make the batch, the dealer or the alert of an operation."""
    if operation.label == "POST /api/billing/batches":
        return {"name": "NEW-CARDS", "pattern": "####-####-####", "size": 2, "campaign_id": DEFAULT_CAMPAIGN}
    if "{batch_id}" in operation.path:
        batch = BATCHES.get(act, active_batch)(f"{operation.method}-{act.strip('{}')}".upper())
        serials = {"first_serial": batch.first_serial, "last_serial": batch.last_serial}
        return {"batch_id": str(batch.promo_code_id), "act": "lock", "csv": str(batch.first_serial), **serials}
    if "{alert_id}" in operation.path:
        Alert.objects.get_or_create(
            id=ALERT_ID, defaults={"kind": "address", "subject": "203.0.113.9", "number": 101}
        )
        return {"alert_id": str(ALERT_ID)}
    if "{dealer_id}" in operation.path:
        dealer = Dealer.objects.create(name=f"Dealer to {operation.method} {act.strip('{}')}", created_by="noor")
        return {"dealer_id": str(Dealer.objects.get(pk=dealer.pk).public_id)}
    return {}


def facts_of(operation: Operation, caller: Caller, facts: Facts) -> Facts:
    """Return the facts as one operation needs them, where others need another value."""
    own: Facts = {}
    match operation.label:
        case "POST /api/billing/checkout/quote":
            own = {"plan_id": "m"}
        case "POST /api/billing/vouchers/import":
            own = {"csv": "code,credit,cap\r\nIMPORTED,5,0\r\n"}
        case "GET /api/billing/admin/past/balance":
            own = {"user_id": caller.user_id}
        case "DELETE /api/domain/domains/{owner_id}":
            own = {"owner_id": added(caller, facts["tenant_id"], "old.example.com")}
        case label if "{item_id}" in label:
            kind = operation.path.partition("/catalog/admin/")[2].partition("/")[0]
            own = {"item_id": str(ITEM_IDS[kind]), "slug": ITEM_SLUGS[kind]}
        case label if "{endpoint_id}" in label:
            own = {"endpoint_id": endpoint_of_webhooks()}
        case label if "/{month}" in label:
            own = {"month": "2026-01"}
        case label if label == f"POST {APPS}":
            own = {"slug": AppFactory.create(slug="ghost").slug}
        case label if APPS in label:
            own = {"slug": "wordpress"}
    return facts | own


def use_existing_records(case: Case[Any], facts: Facts) -> None:
    """Replace generated references by existing ones, and remove cursors, which cannot be generated."""
    case.query.pop("cursor", None)
    for place in (case.path_parameters, case.query, case.body):
        if isinstance(place, dict):
            place.update({name: fact for name, fact in facts.items() if name in place})
    if case.operation.label == REPORT and isinstance(case.body, dict):
        case.body.pop("job_id", None)
        case.body["provision_id"] = facts["provision_id"]
    if name := ONE_OF.get(case.operation.label):
        case.query = {name: facts.get(name, "nobody")}


def deletion_order(operation: Operation) -> int:
    """Sort what deletes behind the rest, and what deletes the organization last."""
    is_organization = operation.path.rpartition("/")[0] in ("/api/tenant/orgs", "/api/tenant/admin/tenants")
    return (operation.method.upper() == "DELETE") * (1 + is_organization)


def kinds_of(operation: Operation) -> list[GenerationMode]:
    """Return the modes of requests: valid ones, and invalid ones if the operation has any input."""
    takes_input = operation.query or operation.path_parameters or operation.body
    wrong = [GenerationMode.NEGATIVE] if takes_input and operation.label not in TAKE_ANYTHING else []
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
        checks = CHECKS[1:] if refused else CHECKS
        if answer.status_code == 413:
            # A body that is too large is refused too, which the last check does not know.
            checks = CHECKS[:-1]
        case.validate_response(answer, checks=checks, headers=headers)
        statuses[answer.status_code] += 1

    run()
    return statuses


def described_operations() -> list[Operation]:
    """Every operation of the description, those that delete last."""
    schema = schemathesis.openapi.from_wsgi("/api/schema", get_wsgi_application())
    operations = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    assert len(operations) == schema.statistic.operations.total
    return sorted(operations, key=deletion_order)


@pytest.mark.parametrize("role", ["superadmin", "customer"])
def test_every_answer_is_as_described(shop: None, settings: Any, role: str) -> None:
    settings.PREVIEW_RATE_LIMIT = "100000/min"
    caller = by_token(role)
    facts = create_facts(caller)
    for number, operation in enumerate(described_operations()):
        if role == "customer" and any(each in operation.path for each in STAFF_ONLY):
            continue
        # Each request gets a separate code: a customer redeems a code only once, with an order or without.
        code = PromoCodeFactory.create(code=f"GIFT-{number}").code
        facts |= {"code": code, "promo_code": code}
        own_facts = facts_of(operation, caller, facts) | records_of(operation, caller)
        own_facts |= session_of(operation, caller)
        for mode in kinds_of(operation):
            statuses = send_generated(operation, mode, caller, own_facts)
            if mode is GenerationMode.POSITIVE and operation.label not in (*NEED_CARDS, *SIGN_IN, *PRINTER_FILE):
                assert statuses.keys() & {200, 201, 410}, f"{operation.label} never succeeds: {statuses}"


# People who may not do everything: another role on the platform, a role in the organization, or none in either.
# Their tokens are made in the test, because a token made at import ends before a long run comes here.
OTHERS: dict[str, Callable[[], Caller]] = {
    "sovereign-admin": partial(by_token, "sovereign-admin"),
    "auditor": partial(by_token, "auditor"),
    "provisioner": partial(by_token, "provisioner"),
    "stranger": partial(by_token, "customer", "stranger"),
    "anonymous": Caller,
    **{role: partial(by_token, "customer", role) for role in ("admin", "member", "viewer")},
}


@pytest.mark.parametrize("role", OTHERS)
def test_every_refusal_is_as_described(shop: None, settings: Any, role: str) -> None:
    settings.PREVIEW_RATE_LIMIT = "100000/min"
    owner, caller = by_token("customer", "owner"), OTHERS[role]()
    facts = create_facts(owner)
    for number, inside in enumerate(("admin", "member", "viewer")):
        customer = CustomerFactory.create(user_id=inside, email=f"{inside}@example.net")
        OrganizationMember.objects.create(
            organization_id=facts["tenant_id"], customer=customer, email=f"{number}@example.net", role=inside
        )
    statuses: Counter[int] = Counter()
    for operation in described_operations():
        facts |= {"code": "NEVER", "promo_code": "NEVER"}
        statuses += send_generated(operation, GenerationMode.POSITIVE, caller, facts)
    assert statuses[401 if role == "anonymous" else 403] > 0, statuses

"""Every pair of states of every model is tried with raw SQL: the database allows what TRANSITIONS lists, no more."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import psycopg
import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction
from pytest_django import DjangoDbBlocker

from billing.models import BulkGrant, BulkGrantRow, Hold, Organization, Proposal, Subscription
from orders.models import (
    AppJob,
    Domain,
    Order,
    Payment,
    Provision,
    Refund,
    WebhookDelivery,
    WebhookEndpoint,
)
from promos.models import Batch, Campaign, CardRange, Redemption
from tests.billing.approvals.attacks import VALID_PROPOSAL
from tests.billing.bulk.attacks import DRAFTED as DRAFTED_GRANT
from tests.orders import deployment_attacks
from tests.promos.cards.attacks import APPROVED as GENERATED_BATCH
from tests.promos.ranges.attacks import ALLOCATED as ALLOCATED_CARDS
from tests.rules import ORDER, TRIGGERS_OFF, customer, inserting
from tests.sample_history import HELD, committed_sample_history

from .domain_attacks import VALID_DOMAIN
from .webhook_attacks import delivery, endpoint

pytestmark = pytest.mark.django_db

TRIGGERS_ON = "SET LOCAL session_replication_role = origin"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A model's states in the database.

    `row` says which row is moved from state to state, `prepare` makes it, and `fitting` are the columns that CHECK
    constraints want beside a state: the value elsewhere, and the value in each state that has one of its own.
    """

    model: type[models.Model]
    rule: str
    row: str
    prepare: tuple[str, ...] = ()
    fitting: Mapping[str, tuple[str, Mapping[str, str]]] = field(default_factory=dict)

    @property
    def transitions(self) -> dict[str, set[str]]:
        listed: Mapping[str, set[str]] = vars(self.model)["TRANSITIONS"]
        return {str(state): {str(each) for each in after} - {str(state)} for state, after in listed.items()}

    def moving(self, state: str) -> str:
        changes = [f"status = '{state}'"]
        changes += [f"{column} = {own.get(state, other)}" for column, (other, own) in self.fitting.items()]
        return f"UPDATE {self.model._meta.db_table} SET {', '.join(changes)} WHERE {self.row}"


PAYMENT = inserting(
    "orders_payment",
    {
        "order_id": ORDER,
        "status": "'requested'",
        "session_id": "'cs_1'",
        "amount_minor": "6660",
        "currency": "'OMR'",
        "leased_until": "now()",
        "expires_at": "now()",
    },
)
REFUND = inserting(
    "orders_refund",
    {"payment_id": ORDER, "amount_minor": "10", "reason": "'x'", "status": "'requested'", "requested_by": "'staff'"},
)
DOMAIN = inserting("orders_domain", VALID_DOMAIN)
JOB = deployment_attacks.job(steps="'[]'")
NOW = "now()"
OF_ADA = """'{"user_id": "ada"}'"""
ENTRY = "(SELECT id FROM billing_ledgerentry ORDER BY id LIMIT 1)"
MACHINES = [
    Machine(model=Domain, rule="orders_domain_transition_known", row="true", prepare=(DOMAIN,)),
    Machine(
        model=Organization,
        rule="billing_organization_transition_known",
        row="slug = 'acme'",
        fitting={"deleted_at": ("NULL", {"deleted": NOW})},
    ),
    Machine(
        model=Proposal,
        rule="billing_proposal_transition_known",
        row="fingerprint = 'first'",
        prepare=(inserting("billing_proposal", VALID_PROPOSAL),),
        fitting={
            "decided_at": (NOW, {"proposed": "NULL"}),
            "decider_id": ("'bob'", {"proposed": "''"}),
        },
    ),
    Machine(
        model=BulkGrant,
        rule="billing_bulkgrant_transition_known",
        row="true",
        prepare=(*DRAFTED_GRANT,),
        fitting={
            "started_by": (OF_ADA, {"draft": "'{}'", "discarded": "'{}'"}),
            "started_at": (NOW, {"draft": "NULL", "discarded": "NULL"}),
            "undone_by": ("'{}'", {"undoing": OF_ADA, "undone": OF_ADA}),
        },
    ),
    Machine(
        model=BulkGrantRow,
        rule="billing_bulkgrantrow_transition_known",
        row="true",
        prepare=(*DRAFTED_GRANT,),
        fitting={
            "entry_id": (ENTRY, {"pending": "NULL", "skipped": "NULL"}),
            "why": ("''", {"skipped": "'merged'", "kept": "'spent'"}),
        },
    ),
    Machine(
        model=Subscription,
        rule="billing_subscription_stays_canceled",
        row="true",
        fitting={"canceled_at": ("NULL", {"canceled": NOW}), "past_due_since": ("NULL", {"past_due": NOW})},
    ),
    Machine(
        model=Hold,
        rule="billing_hold_closes_once",
        row=f"order_id = '{HELD}'",
        fitting={"closed_at": (NOW, {"active": "NULL"})},
    ),
    Machine(
        model=Redemption,
        rule="promos_redemption_transition_known",
        row=f"customer_id = {customer('bob')}",
        fitting={
            "confirmed_at": ("NULL", {"confirmed": NOW}),
            "released_at": ("NULL", {"released": NOW}),
            "release_reason": ("''", {"released": "'x'"}),
        },
    ),
    Machine(
        model=Campaign,
        rule="promos_campaign_transition_known",
        row="name = 'Spring'",
        fitting={"approved_by": ("'bob'", {"draft": "''"})},
    ),
    Machine(
        model=Batch,
        rule="promos_batch_transition_known",
        row="true",
        prepare=(*GENERATED_BATCH, "UPDATE promos_batch SET generated = size"),
    ),
    Machine(
        model=CardRange,
        rule="promos_cardrange_transition_known",
        row="true",
        prepare=ALLOCATED_CARDS,
        fitting={"dealer_id": ("(SELECT min(id) FROM promos_dealer)", {"stock": "NULL"})},
    ),
    Machine(
        model=Order,
        rule="orders_order_transition_known",
        row="true",
        fitting={"completed_at": ("NULL", {"completed": NOW, "refunded": NOW})},
    ),
    Machine(
        model=Payment,
        rule="orders_payment_transition_known",
        row="true",
        prepare=(PAYMENT,),
        fitting={"paid_at": ("NULL", {"paid": NOW})},
    ),
    Machine(model=AppJob, rule="orders_appjob_transition_known", row="true", prepare=(JOB,)),
    Machine(model=Provision, rule="orders_provision_transition_known", row="true"),
    Machine(model=Refund, rule="orders_refund_transition_known", row="true", prepare=(PAYMENT, REFUND)),
    Machine(
        model=WebhookEndpoint,
        rule="orders_webhookendpoint_transition_known",
        row="true",
        prepare=(endpoint(),),
        fitting={"pause_reason": ("''", {"paused": "'dead'"})},
    ),
    Machine(
        model=WebhookDelivery,
        rule="orders_webhookdelivery_transition_known",
        row="true",
        prepare=(endpoint(), delivery()),
        fitting={"delivered_at": ("NULL", {"delivered": NOW})},
    ),
]


@pytest.fixture(scope="module", autouse=True)
def history(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with committed_sample_history(django_db_blocker):
        yield


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.model.__name__)
def test_database_allows_exactly_the_transitions_of_the_model(machine: Machine) -> None:
    for statement in machine.prepare:
        execute(statement)
    assert {state: allowed_after(machine, state) for state in states(machine)} == machine.transitions


def test_every_model_with_transitions_is_tried() -> None:
    assert {each for each in apps.get_models() if "TRANSITIONS" in vars(each)} == {each.model for each in MACHINES}


def states(machine: Machine) -> list[str]:
    return [str(each) for each in vars(machine.model)["Status"]]


def allowed_after(machine: Machine, start: str) -> set[str]:
    """The states into which a row in the state `start` can be moved."""
    return {end for end in states(machine) if end != start and is_allowed(machine, start, end)}


def is_allowed(machine: Machine, start: str, end: str) -> bool:
    with transaction.atomic():
        execute(TRIGGERS_OFF)
        execute(machine.moving(start))
        execute(TRIGGERS_ON)
        try:
            with transaction.atomic():
                execute(machine.moving(end))
        except IntegrityError as error:
            assert isinstance(error.__cause__, psycopg.Error)
            assert error.__cause__.diag.constraint_name == machine.rule
            return False
        else:
            return True
        finally:
            transaction.set_rollback(True)


def execute(statement: str) -> None:
    """Runs a statement that writes one row, or sets a parameter."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        assert cursor.rowcount == (-1 if statement.startswith("SET") else 1), statement

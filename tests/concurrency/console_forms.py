"""A valid input for every form of the console, and a record of each model that has one."""

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from django.db import models
from django.urls import reverse
from django.utils import timezone

from billing.actor import SOVEREIGN_ADMIN
from billing.models import AuditEntry, BulkGrant, Customer, Erasure, LedgerEntry, Proposal, User
from billing.use_cases.proof.seal_ledger import seal_ledger
from orders.models import (
    AddOn,
    App,
    AppJob,
    Break,
    Bundle,
    CardEntry,
    ClosedMonth,
    DeadLetter,
    Industry,
    Order,
    OutboxEvent,
    Payment,
    Plan,
    Provision,
    Refund,
    VatRate,
    WebhookDelivery,
    WebhookEndpoint,
)
from orders.use_cases.books.close_month import close_month, next_month_to_close
from orders.use_cases.reconciliation.record_break import record_break
from orders.use_cases.webhooks.keep_endpoints import register_endpoint
from promos.models import Alert, Batch, Campaign, CardRange, Dealer, PromoCode, Redemption
from promos.use_cases.cards.change_batch import start_generation
from promos.use_cases.cards.generate_cards import generate_cards
from promos.use_cases.redeem_code import redeem
from tests.billing.bulk.make_grants import done as done_grant
from tests.billing.bulk.make_grants import draft as draft_grant
from tests.console import client_of, create_user, place_orders, propose_adjustment
from tests.factories import (
    AddOnFactory,
    AppFactory,
    BundleFactory,
    CampaignFactory,
    CustomerFactory,
    IndustryFactory,
    PlanFactory,
    PromoCodeFactory,
    actor,
    give_credit,
)
from tests.promos.cards.make_batch import active as active_batch
from tests.promos.cards.make_batch import approved as approved_batch
from tests.promos.cards.make_batch import draft as draft_batch
from tests.promos.cards.make_batch import released as released_batch
from tests.promos.cards.make_batch import secret as secret_batch
from tests.promos.ranges.make_ranges import act
from tests.promos.ranges.make_ranges import dealer as make_dealer

WHY = "a test"
PASSWORD = "nine-brass-lanterns"


class Form(NamedTuple):
    """A page's form with inputs that are valid, and the model that has one more row after its effect."""

    address: str
    inputs: dict[str, Any]
    made: type[models.Model]


def customer() -> Customer:
    found = CustomerFactory.create()
    give_credit(found, 50_000)
    return found


def adjusting() -> Form:
    return Form(page("billing_customer_adjust", customer().pk), {"amount": "5", "confirmed": "yes"}, LedgerEntry)


def moving_an_email() -> Form:
    moved = CustomerFactory.create(email="ada@example.org")
    User.objects.create(username="ada", sub=moved.user_id, email=moved.email)
    return Form(page("billing_customer_email", moved.pk), {"address": "ada@example.net"}, AuditEntry)


def erasing() -> Form:
    return Form(page("billing_customer_erase", CustomerFactory.create().pk), {}, Erasure)


def reversing() -> Form:
    entry = LedgerEntry.objects.get(account_id=customer().pk)
    return Form(page("billing_ledgerentry_reverse", entry.pk), {}, LedgerEntry)


def releasing() -> Form:
    redeem(code=PromoCodeFactory.create().code, user_id="ada", by=actor())
    return Form(page("promos_redemption_release", Redemption.objects.get().pk), {}, LedgerEntry)


def paid_by_card() -> Order:
    (order,) = place_orders(1)
    Order.objects.filter(pk=order.pk).update(total_minor=18_000)
    now = timezone.now()
    Payment.objects.create(
        order=order,
        status=Payment.Status.PAID,
        amount_minor=9_000,
        currency="OMR",
        leased_until=now,
        expires_at=now + timedelta(hours=2),
        session_id="cs_test_1",
        payment_intent_id="pi_1",
        paid_at=now,
    )
    return order


def refunding_the_card() -> Form:
    return Form(page("orders_order_refund", paid_by_card().pk), {"card": "3.000"}, Refund)


def refunding_credit() -> Form:
    return Form(page("orders_order_refund", place_orders(1)[0].pk), {}, LedgerEntry)


def owed_by(order: Order) -> CardEntry:
    facts = {"order": order, "currency": "OMR", "stripe_object_id": "du_1"}
    CardEntry.objects.create(kind="dispute", amount_minor=-9_000, **facts)
    return CardEntry.objects.create(kind="owed", amount_minor=9_000, **facts)


def writing_off() -> Form:
    return Form(page("orders_cardentry_writeoff", owed_by(place_orders(1)[0]).pk), {}, CardEntry)


def closing_an_alert() -> Form:
    alert = Alert.objects.create(kind=Alert.Kind.CUSTOMER, subject="ada", number=101)
    return Form(page("promos_alert_close", alert.pk), {}, AuditEntry)


def closing_a_break() -> Form:
    return Form(page("orders_break_close", record_break(kind=Break.Kind.DISPUTE, object_id="d").pk), {}, AuditEntry)


def resending_an_event() -> Form:
    return Form(page("orders_outboxevent_resend", refused_event().pk), {}, AuditEntry)


def closing_an_event() -> Form:
    return Form(page("orders_outboxevent_close", refused_event().pk), {}, AuditEntry)


def refused_event() -> OutboxEvent:
    return OutboxEvent.objects.create(
        type="test", topic="sme.test", source="qasima", refused_at=timezone.now(), refusal="too large"
    )


def dead_letter() -> DeadLetter:
    return DeadLetter.objects.create(key="1", topic="sme.tenant.events", body=b"{}", reason="the event has no type")


def applying_an_event() -> Form:
    return Form(page("orders_deadletter_apply", dead_letter().pk), {}, AuditEntry)


def closing_a_received_event() -> Form:
    return Form(page("orders_deadletter_close", dead_letter().pk), {}, AuditEntry)


WEBHOOK = {"url": "https://shop.example.com/hooks"}


def webhook(**state: str) -> WebhookEndpoint:
    made = register_endpoint(**WEBHOOK, by=actor()).endpoint
    WebhookEndpoint.objects.filter(pk=made.pk).update(**state)
    return made


def failed_delivery() -> WebhookDelivery:
    endpoint = webhook()
    refused_event()
    WebhookDelivery.objects.update(status=WebhookDelivery.Status.FAILED)
    return WebhookDelivery.objects.filter(endpoint=endpoint).latest("pk")


def registering_a_webhook() -> Form:
    return Form(page("orders_webhookendpoint_add"), WEBHOOK, WebhookEndpoint)


def changing_a_webhook(verb: str) -> Form:
    state = {"status": "paused", "pause_reason": "dead"} if verb == "resume" else {}
    inputs = {"url": "https://new.example.com/hooks"} if verb == "edit" else {}
    return Form(page(f"orders_webhookendpoint_{verb}", webhook(**state).pk), inputs, AuditEntry)


def resending_deliveries() -> Form:
    return Form(page("orders_webhookendpoint_resend", failed_delivery().endpoint_id), {}, AuditEntry)


def resending_a_delivery() -> Form:
    return Form(page("orders_webhookdelivery_resend", failed_delivery().pk), {}, AuditEntry)


def closing_a_delivery() -> Form:
    return Form(page("orders_webhookdelivery_close", failed_delivery().pk), {}, AuditEntry)


FAILED_STEPS = [{"name": "Creating namespace", "status": "failed", "message": "no room"}]


def failed_provision(order: Order) -> Provision:
    return Provision.objects.create(
        order=order,
        organization=order.organization,
        plan_id=order.plan_id,
        subdomain=order.organization.slug,
        steps=FAILED_STEPS,
        status=Provision.Status.FAILED,
    )


def failed_job(order: Order) -> AppJob:
    return AppJob.objects.create(
        organization=order.organization,
        kind=AppJob.Kind.INSTALL,
        app_id=UUID(int=1),
        app_slug="wiki",
        app_name="Wiki",
        steps=FAILED_STEPS,
        status=AppJob.Status.FAILED,
    )


def retrying(make: Callable[[Order], Provision | AppJob]) -> Form:
    found = make(place_orders(1)[0])
    name = found._meta.label_lower.replace(".", "_")
    return Form(page(f"{name}_retry", found.pk), {}, AuditEntry)


def deciding(verb: str) -> Form:
    proposer = actor() if verb == "withdraw" else actor(user_id="proposer")
    made = LedgerEntry if verb == "approve" else AuditEntry
    return Form(page(f"billing_proposal_{verb}", propose_adjustment(customer(), by=proposer).pk), {}, made)


DRAFT = {"name": "Spring", "credit_class": "promotional", "budget": "100"}
TERMS = {"credit": "7", "max_redemptions": "0", "active": "on"}


def issuing() -> Form:
    return Form(page("promos_promocode_add"), {**TERMS, "code": "NEW"}, PromoCode)


def importing() -> Form:
    inputs = {"text": "code,credit,cap\nEID-1,5,3", "confirmed": "yes"}
    return Form(page("promos_promocode_import"), inputs, PromoCode)


def changing_a_voucher() -> Form:
    return Form(page("promos_promocode_change", PromoCodeFactory.create().pk), TERMS, AuditEntry)


def changing_state(verb: str) -> Form:
    code = PromoCodeFactory.create(active=verb != "resume")
    return Form(page(f"promos_promocode_{verb}"), {"id": str(code.pk)}, AuditEntry)


def drafting() -> Form:
    return Form(page("promos_campaign_add"), DRAFT, Campaign)


def changing_a_campaign(verb: str, status: str, **inputs: str) -> Form:
    campaign = CampaignFactory.create(status=status)
    # An approval is audited together with its proposal.
    return Form(page(f"promos_campaign_{verb}", campaign.pk), inputs, Proposal if verb == "approve" else AuditEntry)


BATCH = {"name": "SHOPS-9", "credit": "5", "size": "3", "pattern": "####-####-####", "alphabet": "letters"}


def drafting_a_batch() -> Form:
    return Form(page("promos_batch_add"), BATCH, Batch)


def changing_a_batch(verb: str, make: Callable[[], Batch]) -> Form:
    made = Proposal if verb == "approve" else AuditEntry
    return Form(page(f"promos_batch_{verb}", make().pk), {}, made)


def acting_on_cards() -> Form:
    batch = active_batch()
    sent = {"act": "lock", "first": str(batch.first_serial), "last": str(batch.first_serial)}
    return Form(page("promos_batch_range", batch.pk), sent, AuditEntry)


def acting_on_a_file() -> Form:
    batch = active_batch()
    sent = {"act": "lock", "spans": f"{batch.first_serial}-{batch.first_serial}", "confirmed": "yes"}
    return Form(page("promos_batch_serials", batch.pk), sent, AuditEntry)


def acting_on_a_range() -> Form:
    row = returned_range()
    sent = {"act": "activate", "first": str(row.first_serial), "last": str(row.last_serial)}
    return Form(page("promos_cardrange_act", row.pk), sent, AuditEntry)


def returned_range() -> CardRange:
    act(active_batch("RANGED"), "return", 1, 2)
    return CardRange.objects.get()


def generated_batch() -> Batch:
    batch = approved_batch()
    start_generation(batch=batch, by=actor(), reason=WHY)
    generate_cards(batch_id=batch.pk)
    return batch


class Upload:
    """A file that several threads can send at once."""

    name, content_type = "list.csv", "text/csv"

    def __init__(self, *lines: str) -> None:
        self.content = "\r\n".join(lines).encode()

    def read(self) -> bytes:
        return self.content


def drafting_a_grant() -> Form:
    inputs = {"name": "outage-2026", "file": Upload("ada,5", "bob,5"), "credit_class": "compensation"}
    return Form(page("billing_bulkgrant_add"), inputs, BulkGrant)


def changing_a_grant(verb: str, make: Callable[[str], BulkGrant]) -> Form:
    return Form(page(f"billing_bulkgrant_{verb}", make("ada,5").pk), {}, AuditEntry)


def changing_keys() -> Form:
    inputs = {"stripe_secret_key": "sk_test_0123456789"}
    return Form(page("billing_processorsettings_changelist"), inputs, AuditEntry)


def adding_an_item(model: type[models.Model]) -> Form:
    inputs = {
        "name": "New",
        "slug": "new",
        "price_minor": "1",
        "sort_order": "0",
        "display_order": "0",
        "discount_percent": "0",
        "ram_mb": "0",
        "cpu_milli": "0",
        "disk_gb": "0",
        "kind": "app",
        "icon_bg": "#fff",
        "category": "x",
        "cpu": "1",
        "memory": "1",
        "storage": "1",
    }
    return Form(page(f"orders_{model._meta.model_name}_add"), inputs, model)


def changing_an_item(factory: Any) -> Form:
    item = factory.create()
    address = page(f"orders_{item._meta.model_name}_change", item.pk)
    form = client_of(create_user("superuser")).get(address).context["adminform"].form
    shown = {name: form[name].value() for name in form.fields}
    inputs = {name: value for name, value in shown.items() if value is not None and value is not False}
    return Form(address, {**inputs, "name": "Changed"}, AuditEntry)


MEMBER = {"username": "omar", "email": "omar@example.org", "usable_password": "true"}
PASSWORDS = {"password1": PASSWORD, "password2": PASSWORD}


def adding_staff() -> Form:
    return Form(page("billing_user_add"), {**MEMBER, **PASSWORDS, "role": SOVEREIGN_ADMIN}, User)


def changing_staff() -> Form:
    inputs = {"username": "omar", "email": "omar@example.org", "role": SOVEREIGN_ADMIN, "is_active": "on"}
    return Form(page("billing_user_change", create_user(SOVEREIGN_ADMIN).pk), inputs, AuditEntry)


def setting_a_password() -> Form:
    user = create_user(SOVEREIGN_ADMIN)
    inputs = {**PASSWORDS, "usable_password": "true", "set-password": "1"}
    return Form(page("auth_user_password_change", user.pk), inputs, AuditEntry)


def page(name: str, *args: object) -> str:
    return reverse(f"admin:{name}", args=args)


FORMS: dict[str, Callable[[], Form]] = {
    "billing_customer_adjust": adjusting,
    "billing_customer_email": moving_an_email,
    "billing_customer_erase": erasing,
    "billing_ledgerentry_reverse": reversing,
    "promos_redemption_release": releasing,
    "orders_order_refund": refunding_the_card,
    "orders_order_refund, credit": refunding_credit,
    "orders_break_close": closing_a_break,
    "orders_cardentry_writeoff": writing_off,
    "promos_alert_close": closing_an_alert,
    "orders_outboxevent_resend": resending_an_event,
    "orders_outboxevent_close": closing_an_event,
    "orders_deadletter_apply": applying_an_event,
    "orders_deadletter_close": closing_a_received_event,
    "orders_webhookendpoint_add": registering_a_webhook,
    **{
        f"orders_webhookendpoint_{verb}": partial(changing_a_webhook, verb)
        for verb in ("edit", "rotate", "pause", "resume", "retire")
    },
    "orders_webhookendpoint_resend": resending_deliveries,
    "orders_webhookdelivery_resend": resending_a_delivery,
    "orders_webhookdelivery_close": closing_a_delivery,
    "orders_provision_retry": partial(retrying, failed_provision),
    "orders_appjob_retry": partial(retrying, failed_job),
    "promos_promocode_add": issuing,
    "promos_promocode_import": importing,
    "promos_promocode_change": changing_a_voucher,
    **{f"promos_promocode_{verb}": partial(changing_state, verb) for verb in ("pause", "resume", "retire")},
    **{f"billing_proposal_{verb}": partial(deciding, verb) for verb in ("approve", "reject", "withdraw")},
    "promos_campaign_add": drafting,
    "promos_campaign_redraft": partial(changing_a_campaign, "redraft", "draft", **DRAFT),
    "promos_campaign_propose": partial(changing_a_campaign, "propose", "draft"),
    "promos_campaign_forecast": partial(changing_a_campaign, "forecast", "draft", credit="10", max_redemptions="0"),
    "promos_campaign_approve": partial(changing_a_campaign, "approve", "draft"),
    "promos_campaign_activate": partial(changing_a_campaign, "activate", "approved"),
    "promos_campaign_pause": partial(changing_a_campaign, "pause", "active"),
    "promos_campaign_end": partial(changing_a_campaign, "end", "active"),
    "promos_campaign_budget": partial(changing_a_campaign, "budget", "active", budget="100"),
    "promos_campaign_window": partial(changing_a_campaign, "window", "active", ends_at="2027-01-01T00:00"),
    "promos_batch_add": drafting_a_batch,
    "promos_batch_propose": partial(changing_a_batch, "propose", draft_batch),
    "promos_batch_approve": partial(changing_a_batch, "approve", draft_batch),
    "promos_batch_generate": partial(changing_a_batch, "generate", approved_batch),
    "promos_batch_release": partial(changing_a_batch, "release", generated_batch),
    "promos_batch_activate": partial(changing_a_batch, "activate", released_batch),
    "promos_batch_handout": partial(changing_a_batch, "handout", secret_batch),
    **{f"promos_batch_{verb}": partial(changing_a_batch, verb, active_batch) for verb in ("lock", "close", "void")},
    "promos_batch_range": acting_on_cards,
    "promos_batch_serials": acting_on_a_file,
    "promos_cardrange_act": acting_on_a_range,
    "billing_bulkgrant_add": drafting_a_grant,
    "billing_bulkgrant_start": partial(changing_a_grant, "start", draft_grant),
    "billing_bulkgrant_discard": partial(changing_a_grant, "discard", draft_grant),
    "billing_bulkgrant_undo": partial(changing_a_grant, "undo", done_grant),
    "promos_dealer_add": lambda: Form(page("promos_dealer_add"), {"name": "Nizwa Souq"}, Dealer),
    "promos_dealer_change": lambda: Form(
        page("promos_dealer_change", make_dealer().pk), {"name": "Ruwi"}, AuditEntry
    ),
    "orders_closedmonth_add": lambda: Form(page("orders_closedmonth_add"), {}, ClosedMonth),
    "orders_postingrule_change": lambda: Form(
        page("orders_postingrule_change", "card.payment"), {"debit": "1201", "credit": "4000"}, AuditEntry
    ),
    "orders_vatrate_add": lambda: Form(
        page("orders_vatrate_add"), {"starts_on": "2026-01-01", "percent": "5"}, VatRate
    ),
    "billing_processorsettings_changelist": changing_keys,
    "billing_user_add": adding_staff,
    "billing_user_change": changing_staff,
    "auth_user_password_change": setting_a_password,
    **{f"orders_{model._meta.model_name}_add": partial(adding_an_item, model) for model in (Plan, AddOn, App)},
    **{f"orders_{model._meta.model_name}_add": partial(adding_an_item, model) for model in (Industry, Bundle)},
    "orders_plan_change": partial(changing_an_item, PlanFactory),
    "orders_addon_change": partial(changing_an_item, AddOnFactory),
    "orders_app_change": partial(changing_an_item, AppFactory),
    "orders_industry_change": partial(changing_an_item, IndustryFactory),
    "orders_bundle_change": partial(changing_an_item, BundleFactory),
}


def records() -> dict[str, object]:
    """Makes a record of each model that has a form; returns them by their name in addresses."""
    order = paid_by_card()
    for factory in (AddOnFactory, AppFactory, BundleFactory, IndustryFactory):
        factory.create()
    found = record_break(kind=Break.Kind.DISPUTE, object_id="d")
    chosen: list[Any] = [Plan, AddOn, App, Industry, Bundle, PromoCode, Redemption, Customer]
    keys: dict[str, object] = {each._meta.label_lower.replace(".", "_"): each.objects.first().pk for each in chosen}
    entry = LedgerEntry.objects.filter(kind=LedgerEntry.Kind.SPEND).first()
    assert entry is not None
    return keys | {
        "orders_order": order.pk,
        "orders_break": found.pk,
        "promos_alert": Alert.objects.create(kind=Alert.Kind.CUSTOMER, subject="eve", number=101).pk,
        "billing_ledgerentry": entry.pk,
        "billing_ledgerhead": seal_ledger().pk,
        "billing_proposal": propose_adjustment(customer(), by=actor()).pk,
        "billing_bulkgrant": draft_grant("ada,5").pk,
        "promos_campaign": CampaignFactory.create().pk,
        "promos_batch": active_batch().pk,
        "promos_cardrange": returned_range().pk,
        "promos_dealer": make_dealer().pk,
        "billing_user": create_user(SOVEREIGN_ADMIN).pk,
        "billing_organization": order.organization_id,
        "orders_payment": order.pk,
        "orders_refund": UUID(int=1),
        "orders_cardentry": owed_by(order).pk,
        "orders_closedmonth": close_month(month=next_month_to_close(), why="month end", by=actor()).pk,
        "orders_postingrule": "card.payment",
        "orders_vatrate": VatRate.objects.create(starts_on=date(2020, 1, 1), basis_points=500).pk,
        "orders_outboxevent": refused_event().pk,
        "orders_deadletter": dead_letter().pk,
        "orders_webhookdelivery": failed_delivery().pk,
        "orders_webhookendpoint": webhook().pk,
        "orders_provision": failed_provision(order).pk,
        "orders_appjob": failed_job(order).pk,
    }

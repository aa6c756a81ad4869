"""A deleted account leaves the books as they are, and names nobody in any column."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from billing.actor import Actor
from billing.errors import (
    CreditWouldBeLost,
    CustomerErased,
    DomainError,
    NoSignInHere,
    OpenPaymentBeforeErasure,
    OrganizationBeforeErasure,
    ReasonRequired,
    SoldCreditBeforeErasure,
    StaffNotErased,
    SubscriptionBeforeErasure,
    WrongCode,
)
from billing.models import (
    Account,
    AuditEntry,
    CreditClass,
    Customer,
    Erasure,
    Organization,
    OrganizationMember,
    ProviderAccount,
    SignInCode,
    SignInSession,
    User,
)
from billing.organization_roles import OrganizationRole
from billing.use_cases.assign_role import assign_role
from billing.use_cases.ensure_customer import ensure_customer
from billing.use_cases.identity.end_sessions import sign_out_everywhere
from billing.use_cases.identity.move_email import move_email
from billing.use_cases.identity.sessions import open_session
from billing.use_cases.identity.sign_in.sign_in_codes import derive_code, request_code
from billing.use_cases.ledger.hold_credit import hold_credit
from billing.use_cases.ledger.post_entry import adjust_credit, grant_credit
from billing.use_cases.ledger.verify_ledger import verify_ledger
from billing.use_cases.proof.audit.verify_audit import verify_audit_chain
from billing.use_cases.proof.verify_chain import verify_chain
from billing.use_cases.record_audit import record_audit
from orders.models import Document, Order, StripeEvent
from orders.models.basket import CheckoutRequest
from orders.use_cases.checkout.place_order import place_order
from orders.use_cases.customers.merge_customers import merge_customers
from orders.use_cases.documents.issue_documents import issue_documents
from orders.use_cases.organizations.delete_organization import delete_organization
from orders.use_cases.organizations.invite_member import invite_member
from orders.use_cases.personal.erase_customer import erase_customer, erase_own_account
from orders.use_cases.personal.finish_erasure import finish_erasure, without_person
from promos.models import RefusedAttempt
from tests.factories import (
    CustomerFactory,
    OrganizationFactory,
    PlanFactory,
    PromoCodeFactory,
    UserFactory,
    acting,
    actor,
    give_credit,
)

pytestmark = pytest.mark.django_db
ADDRESS, FORMER, NAME = "ada.lovelace@example.org", "ada+old@example.net", "Augusta Lovelace"
# The books. The page says that they stay.
KEPT = ("billing_ledgerentry", "orders_document")


@pytest.fixture
def user() -> User:
    user: User = UserFactory.create(
        sub="u-17", username="customer-17", email=FORMER, first_name="Augusta", last_name="Lovelace"
    )
    user.emailaddress_set.create(email=FORMER, verified=True, primary=True)
    return user


@pytest.fixture
def customer(user: User) -> Customer:
    found: Customer = CustomerFactory.create(user_id=user.sub, email=user.email)
    return found


def own_actor(customer: Customer) -> Actor:
    return replace(acting(customer), email=customer.email, address="192.0.2.77")


def bakery_of(customer: Customer) -> Organization:
    """An organization with a month of a plan of 9, paid by a voucher of 10."""
    if not PromoCodeFactory._meta.model.objects.exists():
        PlanFactory.create(slug="m", price_minor=9_000)
        PromoCodeFactory.create(code="TEN")
    bakery: Organization = OrganizationFactory.create(customer=customer, slug="bakery")
    place_order(
        request=CheckoutRequest(tenant_id=bakery.pk, plan="m", promo_code="TEN"),
        by=own_actor(customer),
    )
    issue_documents()
    return bakery


def cells_with(*texts: str) -> list[str]:
    """The columns of texts, JSON and networks in which one of the texts stands, in any letter case."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
            " WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0"
            " AND NOT a.attisdropped AND a.atttypid = ANY (ARRAY['text', 'varchar', 'json', 'jsonb', 'text[]',"
            " 'varchar[]', 'inet']::regtype[])"
        )
        columns = cursor.fetchall()
        found = []
        for table, column in columns:
            cursor.execute(
                f'SELECT EXISTS (SELECT FROM "{table}" WHERE "{column}"::text ILIKE ANY (%s))',
                [[f"%{text}%" for text in texts]],
            )
            if cursor.fetchone()[0]:
                found.append(f"{table}.{column}")
    return found


def leave_traces(user: User, customer: Customer) -> None:
    """Everything that may name the customer: sessions, factors, mails, invitations, attempts, Stripe's events."""
    me = own_actor(customer)
    move_email(customer_id=customer.pk, address=ADDRESS, why=f"{FORMER} is lost", by=actor())
    customer.refresh_from_db()
    user.refresh_from_db()
    open_session(user=user, method="code")
    sign_out_everywhere(user=user, by=me)
    open_session(user=user, method="code")
    UserSession.objects.create(user=user, session_key="s" * 32, ip="192.0.2.77", user_agent="Firefox")
    Session.objects.create(session_key="s" * 32, session_data=ADDRESS, expire_date=timezone.now())
    ProviderAccount.objects.create(user=user, issuer="https://id.example", subject="17")
    Authenticator.objects.create(user=user, type=Authenticator.Type.RECOVERY_CODES, data={})
    other = OrganizationFactory.create(slug="others")
    invite_member(
        organization_id=other.pk, email=ADDRESS.title(), role=OrganizationRole.MEMBER, by=acting(other.customer)
    )
    RefusedAttempt.objects.create(
        act="preview", rule="promo_not_found", code_hash="x", user_id=user.sub, address="192.0.2.77", channel="page"
    )
    details = {"email": ADDRESS, "name": NAME, "phone": "1"}
    StripeEvent.objects.create(
        id="evt_1",
        type="checkout.session.completed",
        payload={"object": {"customer": "cus_17", "customer_details": details, "note": f"for {ADDRESS}"}},
        occurred_at=timezone.now(),
    )
    Customer.objects.filter(pk=customer.pk).update(stripe_customer_id="cus_17", declined_mails=["credit_expires"])


def erase(customer: Customer, **given: Any) -> None:
    erase_customer(
        customer_id=customer.pk, by=given.pop("by", actor()), **{"lose_credit": True, "why": "asked", **given}
    )


def test_nothing_names_the_customer_and_the_books_stay(user: User, customer: Customer) -> None:
    bakery = bakery_of(customer)
    leave_traces(user, customer)
    delete_organization(organization_id=bakery.pk, by=own_actor(customer))
    twin = CustomerFactory.create(user_id="u-18", email=ADDRESS)
    document = Document.objects.get().details
    assert {"billing_user.email", "billing_auditentry.changes", "orders_stripeevent.payload"} <= set(
        cells_with(ADDRESS)
    )
    erase(customer)
    assert set(cells_with(ADDRESS, FORMER)) > {"billing_erasure.addresses"}
    finish_erasure(customer_id=customer.pk)
    finish_erasure(customer_id=customer.pk)
    # Another customer with the same address keeps it.
    left = {each for each in cells_with(ADDRESS, FORMER, NAME, "192.0.2.77") if not each.startswith(KEPT)}
    assert left == {"billing_customer.email"}
    assert Customer.objects.get(email=ADDRESS) == twin
    assert not User.objects.filter(sub=user.sub).exists() and not SignInSession.objects.exists()
    assert not Session.objects.exists() and not OrganizationMember.objects.exists()
    assert not Erasure.objects.exists()
    assert Document.objects.get().details == document
    assert Order.objects.get().customer == customer
    account = Account.objects.get(pk=customer.pk)
    assert (account.balance_minor, account.closed) == (0, True)
    assert account.entries.latest("version").note == "lost when the account was deleted"
    assert verify_ledger().sound
    assert verify_chain().fault == ""
    assert verify_audit_chain()[1] == ""
    [message] = mail.outbox
    assert message.to == [ADDRESS] and "your account is deleted" in message.subject


def test_an_audit_entry_that_is_changed_without_an_erasure_is_found(user: User, customer: Customer) -> None:
    leave_traces(user, customer)
    erase(customer)
    finish_erasure(customer_id=customer.pk)
    assert verify_audit_chain()[1] == ""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL qasima.erasing = 'on'")
        cursor.execute("UPDATE billing_auditentry SET reason = 'other' WHERE action = 'customer.email_moved'")
    assert "its hash does not follow" in verify_audit_chain()[1]


def test_everybody_who_was_merged_into_the_customer_is_erased_too(customer: Customer) -> None:
    merged = CustomerFactory.create(user_id="u-16", email="former@example.org")
    merge_customers(merged_user_id=merged.user_id, into_user_id=customer.user_id, reason="one person", by=actor())
    erase(customer)
    finish_erasure(customer_id=customer.pk)
    assert cells_with("former@example.org") == []
    assert Customer.objects.filter(erased_at__isnull=True).count() == 0


def test_an_erased_customer_cannot_act_and_gets_no_credit(customer: Customer) -> None:
    erase(customer)
    for act in (
        lambda: ensure_customer(user_id=customer.user_id, email=ADDRESS),
        lambda: give_credit(customer, 5),
        lambda: hold_credit(customer_id=customer.pk, amount_minor=5, order_id=uuid4()),
        lambda: erase(customer),
    ):
        with pytest.raises(CustomerErased), transaction.atomic():
            act()
    with pytest.raises(IntegrityError), transaction.atomic():
        Customer.objects.filter(pk=customer.pk).update(email=ADDRESS)


def refusal_of(customer: Customer, **given: Any) -> type[DomainError]:
    with pytest.raises(DomainError) as caught:
        erase(customer, **given)
    assert not Customer.objects.get(pk=customer.pk).erased_at
    return type(caught.value)


def test_what_is_still_open_refuses_it(user: User, customer: Customer) -> None:
    assert refusal_of(customer, why=" ") is ReasonRequired
    bakery = bakery_of(customer)
    assert refusal_of(customer) is SubscriptionBeforeErasure
    subscription = bakery.subscriptions.get()
    subscription.status, subscription.canceled_at = "canceled", timezone.now()
    subscription.save()
    assert refusal_of(customer) is OrganizationBeforeErasure
    delete_organization(organization_id=bakery.pk, by=own_actor(customer))
    assert refusal_of(customer, lose_credit=False) is CreditWouldBeLost
    grant_credit(customer_id=customer.pk, amount_minor=5, reason="bought", credit_class=CreditClass.SOLD, by=actor())
    assert refusal_of(customer) is SoldCreditBeforeErasure
    adjust_credit(customer_id=customer.pk, amount_minor=-1_005, why="refunded", by=actor())
    hold = Order.objects.get()
    give_credit(customer, 5)
    hold_credit(customer_id=customer.pk, amount_minor=5, order_id=hold.pk)
    assert refusal_of(customer) is OpenPaymentBeforeErasure
    assign_role(user=user, role="support", by=actor(), reason="hired")
    assert refusal_of(customer) is StaffNotErased


def test_an_organization_that_was_never_bought_is_no_obstacle(customer: Customer) -> None:
    empty = OrganizationFactory.create(customer=customer)
    erase(customer)
    empty.refresh_from_db()
    assert empty.status == Organization.Status.DELETED


def test_a_customer_proves_the_identity_again(user: User, customer: Customer) -> None:
    me = own_actor(customer)
    with pytest.raises(WrongCode):
        erase_own_account(code="000000", otp="", lose_credit=True, by=me)
    request_code(email=user.email, by=me)
    stored = SignInCode.objects.get()
    give_credit(customer, 5)
    code = derive_code(stored.key, stored.email)
    with pytest.raises(CreditWouldBeLost):
        erase_own_account(code=code, otp="", lose_credit=False, by=me)
    erase_own_account(code=code, otp="", lose_credit=True, by=me)
    assert Customer.objects.get(pk=customer.pk).erased_at
    entry = AuditEntry.objects.get(action="customer.deleted")
    assert (entry.actor_id, entry.actor_email, entry.address) == (customer.user_id, "", None)
    with pytest.raises(NoSignInHere):
        erase_own_account(code=code, otp="", lose_credit=True, by=acting(CustomerFactory.create()))


def test_stripes_objects_keep_all_but_the_person() -> None:
    sent = {
        "object": "event",
        "data": {"object": {"object": "customer", "id": "cus_1", "name": "Ada", "email": "a@b.c"}},
        "items": [{"object": "charge", "billing_details": {"name": "Ada"}, "amount": 5, "name": "kept"}],
    }
    assert without_person(sent) == {
        "object": "event",
        "data": {"object": {"object": "customer", "id": "cus_1", "name": None, "email": None}},
        "items": [{"object": "charge", "billing_details": None, "amount": 5, "name": "kept"}],
    }


def test_a_customer_named_like_an_ordinary_word_changes_nobody_elses_history(user: User, customer: Customer) -> None:
    User.objects.filter(pk=user.pk).update(first_name="voucher", last_name="")
    note = {"object": {"customer": "cus_18", "description": "a voucher"}}
    other = StripeEvent.objects.create(id="evt_2", type="charge.succeeded", payload=note, occurred_at=timezone.now())
    record_audit(action="code.issued", object_type="code", object_id="1", by=actor(), reason="a voucher for the fair")
    erase(customer)
    finish_erasure(customer_id=customer.pk)
    other.refresh_from_db()
    assert other.payload == note
    assert AuditEntry.objects.get(action="code.issued").reason == "a voucher for the fair"

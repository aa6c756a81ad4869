"""Saving a form of the console as it was shown changes no column and writes no audit entry."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib import admin
from django.db import transaction
from django.forms import ModelForm
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from billing.actor import AUDITOR, SUPERADMIN
from billing.admin.console.base import ReadOnlyAdmin
from billing.admin.console.display import change_url
from billing.admin.console.forms import UneditedValues
from billing.models import AuditEntry, BulkGrant, ProcessorSettings, User
from orders.models import AddOn, App, Bundle, ClosedMonth, Industry, Plan, PostingRule, VatRate, WebhookEndpoint
from orders.models.books.posting import ACCOUNT_PATTERN
from orders.use_cases.webhooks.endpoint_secrets import encrypt_secret
from promos.admin.code_forms import TermsForm
from promos.models import Batch, Campaign, CardRange, Dealer, PromoCode
from tests.console import Browser, client_of, create_user
from tests.factories import (
    AddOnFactory,
    AppFactory,
    BundleFactory,
    IndustryFactory,
    PlanFactory,
    PromoCodeFactory,
)

pytestmark = pytest.mark.django_db

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EXAMPLES = settings(
    max_examples=6, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck)
)
# What PostgreSQL stores: no NUL, no half of a surrogate.
CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
LINE = st.text(st.characters(exclude_characters="\0\r\n", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)
# A browser sends every line break as two characters, and shows them as one.
ACCOUNTS = st.from_regex(ACCOUNT_PATTERN, fullmatch=True).filter(lambda each: "\n" not in each)
LINES = st.text(st.one_of(CHARACTERS.filter(lambda each: each != "\r"), st.just("\n")), max_size=500)
MOMENTS = st.integers(-62_135_400_000, 253_402_000_000).map(
    lambda ms: EPOCH + timedelta(seconds=ms, microseconds=ms % 10**6)
)


class Inputs(HTMLParser):
    """Collects the inputs that a browser sends of a page's main form if they are not touched."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.sent: dict[str, Any] = {}
        self.area = ""
        self.select = ""
        self.inside = False

    def handle_starttag(self, tag: str, pairs: list[tuple[str, str | None]]) -> None:
        attrs = dict(pairs)
        name = attrs.get("name") or ""
        if tag == "form":
            self.inside = attrs.get("method") == "post" and attrs.get("id") != "logout-form"
        elif not self.inside:
            return
        elif tag == "input" and name and attrs.get("type") not in ("submit", "button"):
            if attrs.get("type") not in ("checkbox", "radio") or "checked" in attrs:
                # A browser drops line breaks from an input of one line.
                value = attrs.get("value")
                text = ("on" if attrs.get("type") == "checkbox" else "") if value is None else value
                self.sent[name] = text.replace("\r", "").replace("\n", "")
        elif tag == "textarea":
            self.area = name
            self.sent[name] = ""
        elif tag == "select":
            self.select = name
        elif tag == "option" and "selected" in attrs and self.select:
            self.sent[self.select] = attrs.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self.area:
            # The first line break after the tag is not part of the text.
            text = self.sent[self.area].replace("\r\n", "\n").replace("\r", "\n").removeprefix("\n")
            self.sent[self.area] = text.replace("\n", "\r\n")
            self.area = ""

    def handle_data(self, data: str) -> None:
        if self.area:
            self.sent[self.area] += data


def save_unchanged(client: Browser, address: str, **edited: str) -> None:
    inputs = Inputs()
    inputs.feed(client.get(address).content.decode())
    answer = client.post(address, {**inputs.sent, "reason": "a test", **edited})
    if answer.status_code != 302:
        form = answer.context["adminform"].form if "adminform" in answer.context else answer.context["form"]
        pytest.fail(f"refused: {form.errors}")


@pytest.fixture
def client(db: None) -> Browser:
    return client_of(create_user(SUPERADMIN))


@given(description=LINES, moments=st.tuples(MOMENTS, MOMENTS), credit=st.integers(1, 10**12))
@EXAMPLES
def test_a_voucher_saved_as_it_was_shown_is_unchanged(
    client: Browser, description: str, moments: tuple[datetime, datetime], credit: int
) -> None:
    with rolled_back():
        starts, ends = sorted(moments)
        code = PromoCodeFactory.create(credit_minor=credit, max_redemptions=3)
        PromoCode.objects.filter(pk=code.pk).update(
            description=description, starts_at=starts, expires_at=ends if ends > starts else None
        )
        with unchanged(code):
            save_unchanged(client, f"/admin/promos/promocode/{code.pk}/change/")


@pytest.mark.parametrize(
    ("expires_at", "zone"),
    [
        (datetime(2027, 12, 31, 23, 59, 59, tzinfo=UTC), "UTC"),
        (datetime(2027, 12, 31, 23, 59, 59, 123456, tzinfo=UTC), "Asia/Muscat"),
        (datetime(1999, 12, 31, tzinfo=UTC), "UTC"),
        (datetime(2100, 1, 1, tzinfo=UTC), "UTC"),
        (datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), "Asia/Muscat"),
        # The hour that a clock shows twice.
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "Europe/Berlin"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "Europe/Berlin"),
    ],
)
def test_an_edited_description_leaves_the_end_as_it_is(
    client: Browser, settings: Any, expires_at: datetime, zone: str
) -> None:
    settings.SOVEREIGN_TIME_ZONE = zone
    code = PromoCodeFactory.create(description="before", expires_at=expires_at)
    text = "x" * 248 + "\n\n" + "y" * 250
    save_unchanged(client, f"/admin/promos/promocode/{code.pk}/change/", description=text.replace("\n", "\r\n"))
    code.refresh_from_db()
    assert (code.expires_at, code.description) == (expires_at, text)
    assert AuditEntry.objects.latest("pk").changes == {"description": ["before", text]}


def test_a_time_is_entered_in_the_sovereigns_zone(client: Browser, settings: Any) -> None:
    settings.SOVEREIGN_TIME_ZONE = "Asia/Muscat"
    code = PromoCodeFactory.create()
    address = f"/admin/promos/promocode/{code.pk}/change/"
    save_unchanged(client, address, expires_at="2099-12-31T23:59:30.5")
    code.refresh_from_db()
    assert code.expires_at == datetime(2099, 12, 31, 19, 59, 30, 500000, tzinfo=UTC)
    page = client.get(address).content.decode()
    assert 'value="2099-12-31T23:59:30.5"' in page
    assert "until 2099-12-31 23:59:30" in page
    assert "Times are in Asia/Muscat." in page


ITEMS: dict[str, Any] = {"plan": PlanFactory, "addon": AddOnFactory, "app": AppFactory, "industry": IndustryFactory}


@given(line=LINE, text=LINES, lists=st.lists(st.text(CHARACTERS, max_size=30), max_size=4))
@EXAMPLES
@pytest.mark.parametrize("name", [*ITEMS, "bundle"])
def test_an_item_saved_as_it_was_shown_is_unchanged(
    client: Browser, name: str, line: str, text: str, lists: list[str]
) -> None:
    with rolled_back():
        item = {**ITEMS, "bundle": BundleFactory}[name].create()
        fields = {each.name: each for each in item._meta.concrete_fields}
        values: dict[str, Any] = {"name": line[:100]}
        values |= {key: text for key in ("description",) if key in fields}
        values |= {key: line[: fields[key].max_length] for key in ("tagline", "category", "icon") if key in fields}
        values |= {key: lists for key in ("features", "apps", "suggested_apps", "dependencies") if key in fields}
        # A price that Stripe can no longer charge.
        values |= {key: 9_995 for key in ("price_minor",) if key in fields and not getattr(item, "included", False)}
        type(item).objects.filter(pk=item.pk).update(**values)
        with unchanged(item):
            save_unchanged(client, f"/admin/orders/{name}/{item.pk}/change/")


@given(line=LINE, email=st.sampled_from(["", "a@b", "no address", "x@example.org"]))
@EXAMPLES
def test_a_member_of_staff_saved_as_shown_is_unchanged(client: Browser, line: str, email: str) -> None:
    with rolled_back():
        user = create_user(AUDITOR)
        User.objects.filter(pk=user.pk).update(username=line, first_name=line, last_name=f" {line}", email=email)
        with unchanged(user):
            save_unchanged(client, f"/admin/billing/user/{user.pk}/change/")


@given(account=ACCOUNTS, centre=ACCOUNTS)
@EXAMPLES
def test_a_posting_rule_saved_as_it_was_shown_is_unchanged(client: Browser, account: str, centre: str) -> None:
    with rolled_back():
        rule = PostingRule.objects.get(event="card.payment")
        PostingRule.objects.filter(pk=rule.pk).update(debit=account, cost_centre=centre)
        with unchanged(rule):
            save_unchanged(client, change_url("orders_postingrule", rule.pk))


@given(description=LINE.filter(str.isprintable))
@EXAMPLES
def test_an_endpoint_of_webhooks_saved_as_it_was_shown_is_unchanged(client: Browser, description: str) -> None:
    with rolled_back():
        endpoint = WebhookEndpoint.objects.create(
            url="https://shop.example.com/hooks", description=description, encrypted_secret=encrypt_secret("x")
        )
        with unchanged(endpoint):
            save_unchanged(client, f"/admin/orders/webhookendpoint/{endpoint.pk}/edit/")


def test_every_form_with_stored_values_is_tested_above() -> None:
    # Vouchers, campaigns, batches and ranges have forms of their own, and so do records, which are never edited.
    forms = {model: page.form for model, page in admin.site._registry.items() if page.form is not ModelForm}
    assert {model for model, form in forms.items() if issubclass(form, UneditedValues)} == {
        Plan,
        AddOn,
        App,
        Industry,
        Bundle,
        User,
    }
    unedited = {model for model, page in admin.site._registry.items() if not isinstance(page, ReadOnlyAdmin)}
    own = {PromoCode, Campaign, Batch, CardRange, Dealer, ProcessorSettings, PostingRule, WebhookEndpoint}
    # Nothing that is stored is shown in a form again.
    own |= {BulkGrant, ClosedMonth, VatRate}
    assert unedited - own == {Plan, AddOn, App, Industry, Bundle, User}
    assert issubclass(TermsForm, UneditedValues)


@contextmanager
def unchanged(record: Any) -> Iterator[None]:
    """Assert that the block changes no column of the record, and that nothing is audited."""
    rows = type(record).objects.filter(pk=record.pk)
    before, audited = rows.values().get(), AuditEntry.objects.count()
    yield
    assert (rows.values().get(), AuditEntry.objects.count()) == (before, audited)


class rolled_back:
    """Undoes each example: hypothesis runs all of them in one test."""

    def __enter__(self) -> None:
        self.block = transaction.atomic()
        self.block.__enter__()

    def __exit__(self, *error: Any) -> None:
        transaction.set_rollback(True)
        self.block.__exit__(*error)

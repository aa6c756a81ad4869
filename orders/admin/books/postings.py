"""Posting rules and rates of VAT, which finance edits for the journals of months that are open."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils.text import capfirst
from unfold.widgets import UnfoldAdminDateWidget, UnfoldAdminTextInputWidget

from billing.admin.audit import history_panel
from billing.admin.console.acts import change_on_page
from billing.admin.console.base import RecordAdmin
from billing.admin.console.display import NOTHING, Fact, Panel, Text, change_url, list_url, moment
from billing.admin.console.forms import ConsoleForm, reason_field
from billing.admin.console.pages import form_page
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Done, Submission
from billing.language import say
from orders.models import PostingRule, VatRate
from orders.use_cases.books.change_postings import FIELDS, add_vat_rate, change_posting_rule

_BASIS_POINTS_PER_PERCENT = 100


# What finance must know of an event beside its name.
_EXPLANATIONS = {
    PostingRule.Event.SINGLE_PURPOSE_VAT: (
        "Posted when single-purpose credit is granted: its VAT is due at once. The debit account keeps the VAT of the"
        " credit that is left. Spending and expiry take it from there, so what the credit pays has no further VAT."
        " Credit that is taken back gives its VAT back."
    ),
    PostingRule.Event.SPENT: (
        "VAT is that of the multi-purpose part. The single-purpose part takes its VAT from the debit account of the"
        " rule for single-purpose credit; what free credit pays has none. Each campaign says which credit it grants."
    ),
}


def _account_field(*, label: str, required: bool = True, help_text: str = "") -> forms.CharField:
    return forms.CharField(
        label=label,
        required=required,
        max_length=20,
        help_text=help_text,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )


class PostingRuleForm(ConsoleForm):
    """The accounts of an event."""

    debit = _account_field(label="Debit account")
    credit = _account_field(label="Credit account")
    vat = _account_field(label="VAT account", required=False, help_text="Of sales only; empty for no VAT.")
    cost_centre = _account_field(label="Cost centre", required=False)
    reason = reason_field()


@admin.register(PostingRule)
class PostingRuleAdmin(RecordAdmin):
    """Posting rules, one for each event of the journal."""

    noun, nouns = "posting rule", "posting rules"
    list_display = ("named", "debit", "credit", "vat_account", "centre")
    search_fields = ("event",)
    search_help_text = "Account, cost centre or words of the event's name"
    ordering = ("event",)
    sortable_by = ()
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def search_filter(self, term: str) -> Q:
        return Q(debit=term) | Q(credit=term) | Q(vat=term) | Q(cost_centre=term) | Q(event__icontains=term)

    @admin.display(description="Event")
    def named(self, rule: PostingRule) -> Text:
        return self.title_of(rule)

    @admin.display(description="VAT")
    def vat_account(self, rule: PostingRule) -> Text:
        return rule.vat or NOTHING

    @admin.display(description="Cost centre")
    def centre(self, rule: PostingRule) -> Text:
        return rule.cost_centre or NOTHING

    def title_of(self, record: Any) -> str:
        return capfirst(str(record))

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("Debit", record.debit)
        yield Fact("Credit", record.credit)
        yield Fact("VAT", self.vat_account(record))
        yield Fact("Cost centre", self.centre(record))
        if explanation := _EXPLANATIONS.get(record.event):
            yield Fact("Meaning", explanation)

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        yield history_panel(object_type="posting_rule", object_id=record.event)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Shows a rule, with a form to change it."""

        def effect(rule: PostingRule, given: dict[str, Any]) -> Done:
            changed = change_posting_rule(event=rule.event, **given, by=actor_of(request))
            return Done(
                say("%(rule)s: the rule is changed.", rule=self.title_of(changed)),
                change_url(self.model_label, changed.pk),
            )

        return change_on_page(
            self,
            request,
            object_id,
            form_class=PostingRuleForm,
            initial=lambda rule: {name: getattr(rule, name) for name in FIELDS},
            state_of=lambda rule: [getattr(rule, name) for name in FIELDS],
            effect=effect,
        )


class VatRateForm(ConsoleForm):
    """A rate, and the day from which it applies."""

    starts_on = forms.DateField(label="From", widget=UnfoldAdminDateWidget(attrs={"type": "date"}))
    percent = forms.DecimalField(
        min_value=0,
        max_value=100,
        max_digits=5,
        decimal_places=2,
        help_text="Prices include it.",
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
    )
    reason = reason_field()


@admin.register(VatRate)
class VatRateAdmin(RecordAdmin):
    """Rates of VAT. A new rate is added with a later day; none is edited."""

    noun, nouns = "VAT rate", "VAT rates"
    list_display = ("starts", "percent")
    search_fields = ("starts_on",)
    search_help_text = "Day, as 2026-10-01"
    ordering = ("-starts_on",)
    sortable_by = ()
    actions = None
    add_title = "Add a VAT rate"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def search_filter(self, term: str) -> Q:
        try:
            return Q(starts_on=forms.DateField().to_python(term))
        except forms.ValidationError:
            return Q(pk=None)

    @admin.display(description="From")
    def starts(self, rate: VatRate) -> Text:
        return rate.starts_on.isoformat()

    @admin.display(description="Rate")
    def percent(self, rate: VatRate) -> Text:
        return f"{Decimal(rate.basis_points) / _BASIS_POINTS_PER_PERCENT}%"

    def title_of(self, record: Any) -> str:
        return say("%(percent)s from %(day)s", percent=f"{record.basis_points / 100:g}%", day=record.starts_on)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("From", self.starts(record))
        yield Fact("Rate", self.percent(record))
        yield Fact("Added", moment(record.created_at))

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        yield history_panel(object_type="vat_rate", object_id=str(record.pk))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = VatRateForm(request.POST if request.method == "POST" else None)
        submission = Submission(request, f"{self.model_label}:add", None)

        def effect() -> Done:
            rate = add_vat_rate(
                starts_on=form.cleaned_data["starts_on"],
                basis_points=int(form.cleaned_data["percent"] * _BASIS_POINTS_PER_PERCENT),
                reason=form.cleaned_data["reason"],
                by=actor_of(request),
            )
            return Done("The rate is added.", change_url(self.model_label, rate.pk))

        if form.is_valid() and (answer := submission.submit(form, lock_state=lambda: None, effect=effect)):
            return answer
        back = list_url(self.model_label)
        return form_page(
            self, request, title=self.add_title, form=form, submission=submission, submit="Add", back=back
        )

"""The pages of campaigns: draft, approve, activate, pause, end, change budget or end. None is ever deleted."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode

from billing.admin.audit import history_panel
from billing.admin.console.acts import StateChange, confirm_change, find_for_act
from billing.admin.console.base import RecordAdmin, View
from billing.admin.console.display import (
    NOTHING,
    Fact,
    Panel,
    Text,
    Tool,
    amount,
    badge,
    change_url,
    clipped,
    list_url,
    moment,
    part_of_amount,
    two_lines,
    use_bar,
)
from billing.admin.console.filters import one_of
from billing.admin.console.pages import form_page
from billing.admin.console.people import name_of
from billing.admin.console.proposed import done_or_proposed
from billing.admin.console.request_actor import actor_of, staff_of
from billing.admin.console.submission import Done, Submission
from billing.language import say
from billing.models import CreditClass
from billing.use_cases.proposals.drafts import lock_open_proposal
from billing.use_cases.proposals.propose import Outcome
from promos.locks import lock_campaign_exclusively
from promos.models import Campaign
from promos.queries import campaigns_with_use
from promos.use_cases.approvals.approve_campaign import (
    CAMPAIGN_APPROVAL,
    approve_campaign,
    campaign_arguments,
    propose_campaign,
)
from promos.use_cases.approvals.propose_budget import change_budget_or_propose
from promos.use_cases.campaigns.change_state import (
    activate_campaign,
    end_campaign,
    pause_campaign,
)
from promos.use_cases.campaigns.change_terms import change_end
from promos.use_cases.campaigns.draft_campaign import change_draft, draft_campaign

from .campaign_forms import FIELD_OF_REFUSAL, BudgetForm, DraftForm, EndForm, initial_terms
from .campaign_panels import batches_panel, codes_panel
from .form_fields import written_credit_life
from .oversight.figures import credit_column, credit_panel, dealer_panels, figure_panels
from .restriction_fields import restriction_facts, with_restricted

CHANGE_CAMPAIGN = "promos.change_campaign"
Status = Campaign.Status
_KINDS = {Status.DRAFT: "info", Status.APPROVED: "info", Status.ACTIVE: "good", Status.PAUSED: "warn"}


CHANGES = {
    "propose": StateChange(
        name="Propose",
        done="proposed",
        warning="Those who can approve it get a mail. A change of the draft withdraws the proposal.",
        use_case=propose_campaign,
        leads_to=Status.APPROVED,
    ),
    "approve": StateChange(
        name="Approve",
        done="approved",
        warning="Its terms stay as they are from here on, except for its budget and its end. Someone other than"
        " the person who drafted it must approve it.",
        use_case=approve_campaign,
        leads_to=Status.APPROVED,
    ),
    "activate": StateChange(
        name="Activate",
        done="active",
        warning="Customers can redeem its vouchers, as soon as its window and each voucher allow it.",
        use_case=activate_campaign,
        leads_to=Status.ACTIVE,
    ),
    "pause": StateChange(
        name="Pause",
        done="paused",
        warning="Customers cannot redeem any of its vouchers until it is activated again.",
        use_case=pause_campaign,
        leads_to=Status.PAUSED,
    ),
    "end": StateChange(
        name="End",
        done="ended",
        warning="None of its vouchers can ever be redeemed again. Customers keep the credit that it granted.",
        use_case=end_campaign,
        leads_to=Status.ENDED,
        danger=True,
    ),
}


def _lock_update_time(campaign: Campaign, *, deciding: bool = False) -> object:
    if deciding:
        # A decision locks the proposal first.
        lock_open_proposal(CAMPAIGN_APPROVAL, campaign_arguments(campaign_id=campaign.pk))
    found = lock_campaign_exclusively(campaign_id=campaign.pk)
    return found and found.updated_at


@admin.register(Campaign)
class CampaignAdmin(RecordAdmin):
    """Campaigns: vouchers with one state, one window and one budget."""

    noun, nouns, add_title = "campaign", "campaigns", "Draft a campaign"
    audit_name = "campaign"
    list_display = ("named", "state", "use", "credit_left", "window")
    list_filter = (one_of("status", Status.values), one_of("credit_class", CreditClass.values))
    search_fields = ("name",)
    search_help_text = "Name, purpose or owner"
    ordering = ("-created_at", "-id")
    actions = None
    sortable_by = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Campaign, Campaign]:
        named = {"drafter_name": name_of("drafted_by"), "approver_name": name_of("approved_by")}
        return campaigns_with_use().select_related("figures").annotate(**named).order_by(*self.ordering)

    def search_filter(self, term: str) -> Q:
        return Q(name__icontains=term) | Q(purpose__icontains=term) | Q(owner_email__icontains=term)

    # --- The list -----------------------------------------------------------------------------------------------

    @admin.display(description="Name")
    def named(self, campaign: Any) -> Text:
        return two_lines(clipped(campaign.name), campaign.get_credit_class_display())

    @admin.display(description="State")
    def state(self, campaign: Any) -> Text:
        state = badge(campaign.get_status_display(), _KINDS.get(campaign.status, "plain"))
        return with_restricted(state, restricted=campaign.restrictions is not None)

    @admin.display(description="Budget used")
    def use(self, campaign: Any) -> Text:
        if not campaign.budgeted:
            return say("no budget")
        used = part_of_amount(campaign.used_minor, campaign.budget_minor)
        return use_bar(used, campaign.used_minor, campaign.budget_minor, title="Used")

    @admin.display(description="Credit as of last night")
    def credit_left(self, campaign: Any) -> Text:
        return credit_column(getattr(campaign, "figures", None))

    @admin.display(description="Valid")
    def window(self, campaign: Any) -> Text:
        if not campaign.starts_at and not campaign.ends_at:
            return say("always")
        starts = format_html(say("from {}"), moment(campaign.starts_at)) if campaign.starts_at else ""
        ends = format_html(say("until {}"), moment(campaign.ends_at)) if campaign.ends_at else ""
        return two_lines(starts, ends)

    @admin.display(description="Owner")
    def owner(self, campaign: Any) -> Text:
        return campaign.owner_email or NOTHING

    # --- One campaign -------------------------------------------------------------------------------------------

    def title_of(self, record: Any) -> str:
        return str(record.name)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("State", self.state(record))
        yield Fact("Budget used", self.use(record))
        if record.budgeted:
            yield Fact("Budget left", amount(record.budget_minor - record.used_minor))
        yield Fact("Valid", self.window(record))
        yield Fact("Credit expires", written_credit_life(record))
        yield from restriction_facts(record.restrictions)
        yield Fact("Credit class", record.get_credit_class_display())
        yield Fact("VAT", record.get_vat_treatment_display())
        purpose = say("Vouchers without a campaign of their own.") if record.is_default else record.purpose
        yield Fact("Purpose", purpose or NOTHING)
        yield Fact("Owner", self.owner(record))
        yield Fact("Expect a rush", say("yes" if record.hot else "no"))
        # Nobody drafted the campaign that each installation has.
        if not record.is_default:
            yield Fact("Drafted by", record.drafter_name)
            yield Fact("Approved by", record.approver_name or NOTHING)
        yield Fact("Drafted", moment(record.created_at))
        yield Fact("Last changed", moment(record.updated_at))

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        yield credit_panel(getattr(record, "figures", None))
        yield from figure_panels(
            request, record.codes.all(), getattr(record, "figures", None), promo_code__campaign__name=record.name
        )
        yield from dealer_panels(request, record.codes.all())
        yield history_panel(object_type=self.audit_name, object_id=str(record.pk))
        if request.user.has_perm("promos.view_promocode"):
            yield codes_panel(record)
        if request.user.has_perm("promos.view_batch"):
            yield batches_panel(record)

    def tools(self, request: HttpRequest, record: Any) -> Iterable[Tool]:
        if record.is_default or not request.user.has_perm(CHANGE_CAMPAIGN):
            return
        own = record.drafted_by == staff_of(request).sub
        for name, change in CHANGES.items():
            # Nobody approves their own draft.
            if change.leads_to in Campaign.TRANSITIONS[Status(record.status)] and not (own and name == "approve"):
                yield change.tool(self._url(name, record))
        if record.status == Status.DRAFT:
            yield Tool("Change the draft", self._url("redraft", record))
        elif record.status != Status.ENDED:
            yield Tool("Change the budget", self._url("budget", record))
            yield Tool("Change the end", self._url("window", record))
        if record.status != Status.ENDED and request.user.has_perm("promos.add_promocode"):
            issue = reverse("admin:promos_promocode_add")
            yield Tool("Issue a voucher", f"{issue}?{urlencode({'campaign': record.pk})}")

    def _url(self, view: str, campaign: Campaign) -> str:
        return reverse(f"admin:{self.model_label}_{view}", args=[campaign.pk])

    # --- Draft --------------------------------------------------------------------------------------------------

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        initial = {"owner_email": actor_of(request).email}
        form = DraftForm(request.POST if request.method == "POST" else None, initial=initial)
        submission = Submission(request, f"{self.model_label}:draft", None)

        def draft() -> Done:
            made = draft_campaign(terms=form.terms(), by=actor_of(request), reason=form.cleaned_data["reason"])
            return Done(
                say("%(title)s is a draft. Somebody else must approve it.", title=made.name), self._page(made)
            )

        if form.is_valid() and (
            answer := submission.submit(form, lock_state=lambda: None, effect=draft, fields=FIELD_OF_REFUSAL)
        ):
            return answer
        back = list_url(self.model_label)
        return form_page(
            self, request, title=self.add_title, form=form, submission=submission, submit="Save the draft", back=back
        )

    # --- Acts ---------------------------------------------------------------------------------------------------

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        return [
            *((f"<uuid:key>/{name}/", name, partial(self._change_state, name)) for name in CHANGES),
            ("<uuid:key>/redraft/", "redraft", self._redraft),
            ("<uuid:key>/budget/", "budget", self._change_budget),
            ("<uuid:key>/window/", "window", self._change_end),
        ]

    def _change_state(self, name: str, request: HttpRequest, key: UUID) -> HttpResponse:
        campaign = find_for_act(self, request, key, permission=CHANGE_CAMPAIGN)
        return confirm_change(
            self,
            request,
            campaign,
            CHANGES[name],
            name=name,
            arguments={"campaign_id": key},
            seen=campaign.updated_at,
            lock_state=lambda: _lock_update_time(campaign, deciding=name == "approve"),
            facts=self._shown_facts(campaign),
        )

    def _redraft(self, request: HttpRequest, key: UUID) -> HttpResponse:
        campaign = find_for_act(self, request, key, permission=CHANGE_CAMPAIGN)
        form = DraftForm(request.POST if request.method == "POST" else None, initial=initial_terms(campaign))

        def redraft() -> None:
            reason = form.cleaned_data["reason"]
            change_draft(campaign_id=key, terms=form.terms(), by=actor_of(request), reason=reason)

        return self._change_terms(request, campaign, form, redraft, name="redraft", title="Change the draft")

    def _change_budget(self, request: HttpRequest, key: UUID) -> HttpResponse:
        campaign = find_for_act(self, request, key, permission=CHANGE_CAMPAIGN)
        form = BudgetForm(
            request.POST if request.method == "POST" else None, initial={"budget": campaign.budget_minor}
        )

        def change() -> Outcome:
            data = form.cleaned_data
            return change_budget_or_propose(
                campaign_id=key, budget_minor=data["budget"], by=actor_of(request), reason=data["reason"]
            )

        return self._change_terms(request, campaign, form, change, name="budget", title="Change the budget")

    def _change_end(self, request: HttpRequest, key: UUID) -> HttpResponse:
        campaign = find_for_act(self, request, key, permission=CHANGE_CAMPAIGN)
        form = EndForm(request.POST if request.method == "POST" else None, initial={"ends_at": campaign.ends_at})

        def change() -> None:
            data = form.cleaned_data
            change_end(campaign_id=key, ends_at=data["ends_at"], by=actor_of(request), reason=data["reason"])

        return self._change_terms(request, campaign, form, change, name="window", title="Change the end")

    def _change_terms(
        self,
        request: HttpRequest,
        campaign: Any,
        form: forms.Form,
        change: Callable[[], Outcome | None],
        *,
        name: str,
        title: str,
    ) -> HttpResponse:
        """Asks for new terms and the reason, and changes the campaign once."""
        submission = Submission(request, f"{self.model_label}:{name}:{campaign.pk}", campaign.updated_at)

        def effect() -> Done:
            if outcome := change():
                return done_or_proposed(outcome, request)
            return Done(
                say("%(title)s is %(state)s.", title=campaign.name, state=say("changed")), self._page(campaign)
            )

        if form.is_valid() and (
            answer := submission.submit(
                form, lock_state=lambda: _lock_update_time(campaign), effect=effect, fields=FIELD_OF_REFUSAL
            )
        ):
            return answer
        return form_page(
            self,
            request,
            title=title,
            form=form,
            submission=submission,
            submit="Save",
            back=self._page(campaign),
            parent=(self.title_of(campaign), self._page(campaign)),
            facts=self._shown_facts(campaign),
        )

    def _shown_facts(self, campaign: Any) -> Iterable[Fact]:
        yield Fact("State", self.state(campaign))
        yield Fact("Budget used", self.use(campaign))
        yield Fact("Valid", self.window(campaign))
        yield Fact("Drafted by", campaign.drafter_name)

    def _page(self, campaign: Campaign) -> str:
        return change_url(self.model_label, campaign.pk)

"""The pages of proposals: the inbox of those who approve, and a page for each with the exact difference."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from unfold.widgets import UnfoldAdminTextareaWidget

from billing.admin.audit import history_panel
from billing.admin.console.acts import confirm_act, find_for_act
from billing.admin.console.base import ReadOnlyAdmin, View
from billing.admin.console.display import (
    NOTHING,
    Column,
    Fact,
    Panel,
    Text,
    Tool,
    badge,
    becomes,
    change_url,
    clipped,
    code,
    link,
    moment,
    two_lines,
)
from billing.admin.console.forms import REASON_LENGTH, ReasonForm
from billing.admin.console.request_actor import actor_of, staff_of
from billing.admin.console.submission import Done
from billing.language import name_person, name_role, say
from billing.local_time import local_day
from billing.models import Proposal
from billing.stored_words import say_stored, say_stored_value
from billing.use_cases.proposals.decide import (
    approve_proposal,
    is_proposer,
    lock_proposal,
    proposals_to_decide,
    reject_proposal,
    withdraw_proposal,
)

DECIDE_PERMISSION = "billing.change_proposal"
_COLOURS = {
    Proposal.Status.PROPOSED: "info",
    Proposal.Status.APPROVED: "good",
    Proposal.Status.REJECTED: "bad",
    Proposal.Status.FAILED: "bad",
}


class StatusFilter(admin.SimpleListFilter):
    """Shows the proposals that wait for a decision by default."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*((each.value, each.label) for each in Proposal.Status if each != "proposed"), ("all", "All")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "all":
            return queryset
        return queryset.filter(status=self.value() or Proposal.Status.PROPOSED)

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        return [{**first, "display": say("Waiting")}, *others]


class CommentForm(ReasonForm):
    """An approval, with a comment for the record."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["reason"] = forms.CharField(
            label=say("Comment"),
            required=False,
            max_length=REASON_LENGTH,
            help_text=say("Optional. Recorded together with your name, the time and your address."),
            widget=UnfoldAdminTextareaWidget(attrs={"rows": 2, "wide": True}),
        )


def waiting_for(request: HttpRequest) -> int:
    """Counts the proposals that this member of staff can decide."""
    user = staff_of(request)
    return proposals_to_decide(user_id=user.sub, email=user.email).count()


@admin.register(Proposal)
class ProposalAdmin(ReadOnlyAdmin):
    """Proposals, the newest first."""

    list_display = ("titled", "state_named", "proposer", "when", "why")
    list_filter = (StatusFilter,)
    search_fields = ("title",)
    search_help_text = "Words of the title, or the proposer's e-mail or user id"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Proposal, Proposal]:
        return Proposal.objects.all()

    def search_filter(self, term: str) -> Q:
        return Q(title__icontains=term) | Q(proposer_email__iexact=term) | Q(proposer_id=term)

    @admin.display(description="Title")
    def titled(self, proposal: Proposal) -> Text:
        return say_stored(proposal.title)

    @admin.display(description="State")
    def state_named(self, proposal: Proposal) -> Text:
        if proposal.status == Proposal.Status.PROPOSED and not proposal.is_open():
            return badge("expired", "plain")
        return badge(proposal.get_status_display().lower(), _COLOURS.get(Proposal.Status(proposal.status), "plain"))

    @admin.display(description="Proposed by")
    def proposer(self, proposal: Proposal) -> Text:
        return two_lines(clipped(proposal.proposer_email or proposal.proposer_id), name_role(proposal.proposer_role))

    @admin.display(description="Proposed")
    def when(self, proposal: Proposal) -> Text:
        ends = say("expires on %(day)s", day=local_day(proposal.expires_at)) if proposal.is_open() else ""
        return two_lines(moment(proposal.created_at), ends)

    @admin.display(description="Why")
    def why(self, proposal: Proposal) -> Text:
        return clipped(proposal.reason)

    def title_of(self, record: Any) -> str:
        return say_stored(record.title)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("State", self.state_named(record))
        yield Fact("Proposed by", name_person(record.proposer_email or record.proposer_id, record.proposer_role))
        yield Fact("Proposed", moment(record.created_at))
        yield Fact("Why", record.reason)
        if record.subject_model:
            yield Fact("Concerns", _subject_link(request, record))
        if record.status == Proposal.Status.PROPOSED:
            yield Fact("Expires", moment(record.expires_at))
            return
        yield Fact("Result", say_stored(record.outcome) or NOTHING)
        yield Fact("Closed", moment(record.decided_at))
        if record.decider_id:
            yield Fact("Closed by", name_person(record.decider_email or record.decider_id, record.decider_role))
            yield Fact("Comment", record.comment or NOTHING)

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        yield Panel(
            title="Exact difference",
            columns=[Column("What"), Column("Before"), Column("After")],
            rows=[
                (say(name), say_stored_value(name, before) or NOTHING, say_stored_value(name, after) or NOTHING)
                for name, before, after in record.changes
            ],
            empty="Nothing would change.",
        )
        yield history_panel(object_type="proposal", object_id=str(record.pk))

    def tools(self, request: HttpRequest, record: Any) -> Iterable[Tool]:
        if not record.is_open():
            return
        if is_proposer(record, actor_of(request)):
            yield self._tool("withdraw", "Withdraw", record)
        elif request.user.has_perm(DECIDE_PERMISSION):
            yield self._tool("approve", "Approve", record, kind="primary")
            yield self._tool("reject", "Reject", record, kind="danger")

    def _tool(self, verb: str, title: str, record: Proposal, *, kind: str = "plain") -> Tool:
        return Tool(title, reverse(f"admin:{self.model_label}_{verb}", args=[record.pk]), kind)

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        return [
            ("<uuid:key>/approve/", "approve", self.approve_view),
            ("<uuid:key>/reject/", "reject", self.reject_view),
            ("<uuid:key>/withdraw/", "withdraw", self.withdraw_view),
        ]

    def approve_view(self, request: HttpRequest, key: UUID) -> HttpResponse:
        """Asks for a comment, and carries out what was proposed."""

        def approve(comment: str) -> str:
            decided = approve_proposal(proposal_id=key, by=actor_of(request), comment=comment)
            verb = say("Not carried out" if decided.status == Proposal.Status.FAILED else "Approved")
            return f"{verb}: {say_stored(decided.outcome)}"

        return self._confirm(
            request,
            find_for_act(self, request, key, permission=DECIDE_PERMISSION),
            title="Approve",
            submit="Approve and carry out",
            effect=approve,
            warning="Approving carries this out at once, exactly as shown.",
            form_class=CommentForm,
        )

    def reject_view(self, request: HttpRequest, key: UUID) -> HttpResponse:
        """Asks for the reason, and rejects the proposal."""

        def reject(reason: str) -> str:
            reject_proposal(proposal_id=key, by=actor_of(request), reason=reason)
            return "The proposal is rejected."

        return self._confirm(
            request,
            find_for_act(self, request, key, permission=DECIDE_PERMISSION),
            title="Reject",
            effect=reject,
            warning="Nothing is carried out. The proposer can propose it again.",
            danger=True,
        )

    def withdraw_view(self, request: HttpRequest, key: UUID) -> HttpResponse:
        """Asks the proposer for the reason, and withdraws the proposal."""
        proposal = find_for_act(self, request, key, permission="billing.view_proposal")
        if not is_proposer(proposal, actor_of(request)):
            raise PermissionDenied

        def withdraw(reason: str) -> str:
            withdraw_proposal(proposal_id=key, by=actor_of(request), reason=reason)
            return "The proposal is withdrawn."

        return self._confirm(request, proposal, title="Withdraw", effect=withdraw, warning="Nothing is carried out.")

    def _confirm(
        self,
        request: HttpRequest,
        proposal: Proposal,
        *,
        title: str,
        effect: Callable[[str], str],
        warning: str,
        submit: str = "",
        danger: bool = False,
        form_class: type[ReasonForm] = ReasonForm,
    ) -> HttpResponse:
        """Asks for the reason, and decides the proposal once. Args: effect: decides it, and returns the message."""
        return confirm_act(
            self,
            request,
            proposal,
            name=title.lower(),
            title=title,
            submit=submit or title,
            seen=proposal.status,
            lock_state=lambda: lock_proposal(proposal_id=proposal.pk).status,
            effect=lambda reason: Done(effect(reason), change_url(self.model_label, proposal.pk)),
            facts=self._difference(proposal),
            warning=warning,
            danger=danger,
            form_class=form_class,
        )

    def _difference(self, proposal: Proposal) -> list[Fact]:
        facts = [Fact("Proposal", say_stored(proposal.title))]
        for name, *values in proposal.changes:
            before, after = (say_stored_value(name, value) for value in values)
            facts.append(Fact(name, becomes(before, after or NOTHING) if before else after))
        return [*facts, Fact("Why", proposal.reason)]


def _subject_link(request: HttpRequest, proposal: Proposal) -> Text:
    app, _, model = proposal.subject_model.partition("_")
    if not request.user.has_perm(f"{app}.view_{model}"):
        return code(proposal.subject_id)
    try:
        return link(say("Open the record"), change_url(proposal.subject_model, proposal.subject_id))
    except NoReverseMatch:
        return code(proposal.subject_id)

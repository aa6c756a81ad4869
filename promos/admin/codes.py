"""The pages of vouchers: issue, change, pause, resume, retire, bring back. Each calls a use case; none deletes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import CharField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, NullIf
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from billing.admin.audit import history_panel
from billing.admin.console.base import RecordAdmin, View, find_or_404
from billing.admin.console.display import (
    NOTHING,
    Fact,
    Panel,
    Text,
    Tool,
    amount,
    change_url,
    clipped,
    day,
    link,
    list_url,
    moment,
    two_lines,
)
from billing.admin.console.forms import ReasonForm
from billing.admin.console.pages import form_page, record_page
from billing.admin.console.proposed import done_or_proposed
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Done, Submission, tell
from billing.errors import DomainError
from billing.local_time import local_text
from billing.models import User
from promos.errors import InvalidPromo
from promos.locks import lock_code_exclusively
from promos.models import PromoCode
from promos.queries import codes_with_use
from promos.use_cases.change_code import pause_code, resume_code, retire_code
from promos.use_cases.propose_issue import issue_or_propose, issued_or_refused

from .code_forms import FIELD_OF_REFUSAL, IssueForm, TermsForm, initial_terms
from .redemptions import redemptions_panel
from .states import STATES_AS_LISTED, StateFilter, format_usage, state_badge, state_of, with_state

# One action pauses, resumes or retires at most this many vouchers.
_MAX_SELECTED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """A change of state: its name, its consequences, and its use case."""

    name: str
    done: str
    warning: str
    act: Callable[..., PromoCode]
    danger: bool = False


VERBS = {
    "pause": Verb(
        name="Pause",
        done="paused",
        warning="Customers cannot redeem it until it is resumed.",
        act=pause_code,
    ),
    "resume": Verb(
        name="Resume",
        done="resumed",
        warning="Customers can redeem it again, unless it has expired or is exhausted.",
        act=resume_code,
    ),
    "retire": Verb(
        name="Retire",
        done="retired",
        warning="Customers no longer find it, and lists leave it out. Customers keep the credit that it granted."
        " To bring it back, give it new terms.",
        act=retire_code,
        danger=True,
    ),
}


def _shorten(value: datetime) -> str:
    """Writes a time without its seconds if they are zero."""
    return local_text(value).removesuffix(":00")


def _lock_update_time(promo_code: PromoCode) -> datetime:
    # Races with another member of staff and with redemptions in flight.
    lock_code_exclusively(promo_code_id=promo_code.pk)
    return PromoCode.objects.only("updated_at").get(pk=promo_code.pk).updated_at


@admin.register(PromoCode)
class PromoCodeAdmin(RecordAdmin):
    """Vouchers. The permissions of the user's group apply to all vouchers alike."""

    noun, nouns, add_title = "voucher", "vouchers", "Issue a voucher"
    audit_name = "promo_code"
    list_display = ("named", "state", "credit_amount", "use", "validity", "about", "issued")
    list_filter = (StateFilter,)
    list_before_template = "admin/voucher_states.html"
    narrow_by = {"campaign__name": "campaign"}
    search_fields = ("code",)
    search_help_text = "Code or description"
    ordering = ("-created_at", "-id")
    actions = ("pause", "resume", "retire")

    def get_queryset(self, request: HttpRequest) -> QuerySet[PromoCode, PromoCode]:
        email = Subquery(User.objects.filter(sub=OuterRef("issued_by")).values("email")[:1])
        issuer = Coalesce(NullIf(email, Value("")), "issued_by", output_field=CharField())
        return with_state(
            codes_with_use().select_related("campaign").annotate(issuer_name=issuer), now=timezone.now()
        )

    def search_filter(self, term: str) -> Q:
        return Q(code__icontains=term) | Q(description__icontains=term)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        chosen = request.GET.get("state", "")
        choices = [("", "All but retired"), *((state.value, str(state.label)) for state in STATES_AS_LISTED)]
        tabs = [
            (title, list_url(self.model_label, **({"state": value} if value else {})), value == chosen)
            for value, title in choices
        ]
        return super().changelist_view(request, {"state_tabs": tabs, **(extra_context or {})})

    # --- The list -----------------------------------------------------------------------------------------------

    @admin.display(description="Code", ordering="code")
    def named(self, promo_code: Any) -> Text:
        struck = " struck" if promo_code.retired_at else ""
        return format_html('<span class="mono{}">{}</span>', struck, promo_code.code)

    @admin.display(description="State")
    def state(self, promo_code: Any) -> Text:
        return state_badge(state_of(promo_code))

    @admin.display(description="Credit", ordering="credit_minor")
    def credit_amount(self, promo_code: Any) -> Text:
        return amount(promo_code.credit_minor)

    @admin.display(description="Used")
    def use(self, promo_code: Any) -> Text:
        return format_html('<span class="moment">{}</span>', format_usage(promo_code))

    @admin.display(description="Valid")
    def validity(self, promo_code: Any) -> Text:
        starts, ends = promo_code.starts_at, promo_code.expires_at
        if not starts and not ends:
            return "always"
        start = f"from {_shorten(starts)}" if starts else ""
        end = f"until {_shorten(ends)}" if ends else ""
        return format_html('<span class="lines"><span>{}</span><span>{}</span></span>', start, end)

    @admin.display(description="Description")
    def about(self, promo_code: Any) -> Text:
        return clipped(promo_code.description)

    @admin.display(description="Issued", ordering="created_at")
    def issued(self, promo_code: Any) -> Text:
        return two_lines(day(promo_code.created_at), promo_code.issuer_name)

    # --- One voucher --------------------------------------------------------------------------------------------

    def title_of(self, record: Any) -> str:
        return str(record.code)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("State", self.state(record))
        yield Fact("Used", format_usage(record))
        yield Fact("Credit", amount(record.credit_minor))
        yield Fact("Campaign", link(record.campaign.name, change_url("promos_campaign", record.campaign.pk)))
        yield Fact("Valid", self.validity(record))
        yield Fact("Description", record.description or NOTHING)
        yield Fact("Expect a rush", "yes" if record.hot else "no")
        yield Fact("Issued by", record.issuer_name)
        yield Fact("Issued", moment(record.created_at))
        yield Fact("Last changed", moment(record.updated_at))
        if record.retired_at:
            yield Fact("Retired at", moment(record.retired_at))

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        yield history_panel(object_type=self.audit_name, object_id=record.code)
        if request.user.has_perm("promos.view_redemption"):
            yield redemptions_panel(record)

    def tools(self, request: HttpRequest, record: Any) -> Iterable[Tool]:
        if record.retired_at or not self.has_change_permission(request):
            return
        yield self._tool("pause" if record.active else "resume", record)
        yield self._tool("retire", record)

    def _tool(self, verb: str, promo_code: PromoCode) -> Tool:
        url = reverse(f"admin:{self.model_label}_{verb}")
        return Tool(VERBS[verb].name, f"{url}?id={promo_code.pk}", "danger" if VERBS[verb].danger else "plain")

    # --- Issue and change ---------------------------------------------------------------------------------------

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        posted = request.POST if request.method == "POST" else None
        form = IssueForm(posted, initial={"campaign": request.GET.get("campaign")})
        submission = Submission(request, f"{self.model_label}:issue", None)

        def issue() -> Done:
            text = form.cleaned_data["code"]
            existing = PromoCode.objects.filter(code=text).first()
            if existing and not existing.retired_at:
                # A courtesy: it keeps a typo from changing a voucher that is in use.
                raise InvalidPromo(fields={"code": [f"{text} already exists. To change it, open it from the list."]})
            reason, campaign_id = form.cleaned_data["reason"], form.campaign_id()
            outcome = issue_or_propose(
                code=text, terms=form.terms(), by=actor_of(request), reason=reason, campaign_id=campaign_id
            )
            if outcome.proposal:
                return done_or_proposed(outcome)
            made = issued_or_refused(outcome)
            result = "was retired, and is back with these terms" if existing else "is issued"
            return Done(f"{made.code} {result}.", change_url(self.model_label, made.pk))

        if form.is_valid() and (
            answer := submission.submit(form, lock_state=lambda: None, effect=issue, fields=FIELD_OF_REFUSAL)
        ):
            return answer
        return form_page(
            self,
            request,
            title=self.add_title,
            form=form,
            submission=submission,
            submit="Issue",
            back=list_url(self.model_label),
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not self.has_change_permission(request):
            return super().change_view(request, object_id, form_url, extra_context)
        promo_code = find_or_404(self, request, unquote(object_id))
        posted = request.method == "POST"
        form = TermsForm(request.POST if posted else None, initial=initial_terms(promo_code))
        submission = Submission(request, f"{self.model_label}:change:{promo_code.pk}", promo_code.updated_at)
        if form.is_valid() and (answer := self._change(request, promo_code, form, submission)):
            return answer
        retired = promo_code.retired_at is not None
        return record_page(
            self,
            request,
            find_or_404(self, request, unquote(object_id)) if posted else promo_code,
            form=form,
            submission=submission,
            form_title="Bring it back with these terms" if retired else "Change the terms",
            submit="Bring back" if retired else "Save",
        )

    def _change(
        self, request: HttpRequest, promo_code: PromoCode, form: TermsForm, submission: Submission
    ) -> HttpResponse | None:
        seen_at, was_retired = promo_code.updated_at, promo_code.retired_at is not None

        def change() -> Done:
            outcome = issue_or_propose(
                code=promo_code.code,
                terms=form.terms(),
                by=actor_of(request),
                reason=form.cleaned_data["reason"],
            )
            if outcome.proposal:
                return done_or_proposed(outcome)
            changed = issued_or_refused(outcome)
            if changed.updated_at == seen_at:
                return Done(f"{changed.code} already has these terms; nothing was changed.", request.path)
            return Done(f"{changed.code} is {'back' if was_retired else 'changed'}.", request.path)

        return submission.submit(
            form, lock_state=lambda: _lock_update_time(promo_code), effect=change, fields=FIELD_OF_REFUSAL
        )

    # --- Pause, resume, retire ----------------------------------------------------------------------------------

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        return [(f"{verb}/", verb, self._view_of(verb)) for verb in VERBS]

    def _view_of(self, verb: str) -> View:
        def view(request: HttpRequest) -> HttpResponse:
            if not self.has_change_permission(request):
                raise PermissionDenied
            sent = request.POST if request.method == "POST" else request.GET
            codes = self._chosen(request, sent.getlist("id"))
            if not codes:
                raise Http404
            form = ReasonForm(request.POST if request.method == "POST" else None)
            submission = self._submission(request, verb, codes)
            if form.is_valid():
                self._run(request, VERBS[verb], codes, submission, reason=form.cleaned_data["reason"])
                return HttpResponseRedirect(self._result_url(codes))
            return self._ask(request, verb, codes, form, submission)

        return view

    def _submission(self, request: HttpRequest, verb: str, codes: Sequence[Any]) -> Submission:
        return Submission(request, f"{self.model_label}:{verb}", {str(each.pk): each.updated_at for each in codes})

    def _result_url(self, codes: Sequence[Any]) -> str:
        return change_url(self.model_label, codes[0].pk) if len(codes) == 1 else list_url(self.model_label)

    def _ask(
        self, request: HttpRequest, verb: str, codes: Sequence[Any], form: forms.Form, submission: Submission
    ) -> HttpResponse:
        what = codes[0].code if len(codes) == 1 else f"{len(codes)} vouchers"
        return form_page(
            self,
            request,
            title=f"{VERBS[verb].name} {what}",
            form=form,
            submission=submission,
            submit=f"{VERBS[verb].name} {what}",
            back=self._result_url(codes),
            action=reverse(f"admin:{self.model_label}_{verb}"),
            facts=[Fact(each.code, format_html("{} {}", self.state(each), format_usage(each))) for each in codes],
            warning=VERBS[verb].warning,
            danger=VERBS[verb].danger,
            hidden=[("id", str(each.pk)) for each in codes],
        )

    def _run(
        self, request: HttpRequest, verb: Verb, codes: Sequence[Any], submission: Submission, *, reason: str
    ) -> None:
        """Changes each voucher in its own transaction, so that no voucher is locked for the others' sake."""
        by, url = actor_of(request), self._result_url(codes)
        outcomes: dict[str, list[str]] = {"done": [], "unchanged": [], "repeated": []}
        for promo_code in codes:

            def act(promo_code: Any = promo_code) -> Done:
                changed = verb.act(code=promo_code.code, by=by, reason=reason)
                return Done("unchanged" if changed.updated_at == promo_code.updated_at else "done", url)

            try:
                done, is_repeated = submission.run_once(
                    lock_state=partial(_lock_update_time, promo_code), effect=act, part=str(promo_code.pk)
                )
            except DomainError as error:
                messages.error(request, f"{promo_code.code} was not {verb.done}: {error.text}.")
            else:
                outcomes["repeated" if is_repeated else done.message].append(promo_code.code)
        if outcomes["done"]:
            messages.success(request, f"{verb.done.capitalize()}: {', '.join(outcomes['done'])}.")
        if outcomes["unchanged"]:
            messages.info(request, f"Already {verb.done}, nothing to change: {', '.join(outcomes['unchanged'])}.")
        if outcomes["repeated"]:
            texts = f"{verb.done.capitalize()}: {', '.join(outcomes['repeated'])}."
            tell(request, Done(texts, url), is_repeated=True)

    def _chosen(self, request: HttpRequest, ids: Sequence[str]) -> list[Any]:
        """Returns the vouchers of these ids, even if the list's filter no longer includes them. Raises: Http404."""
        try:
            keys = {UUID(identity) for identity in ids}
        except ValueError:
            raise Http404 from None
        if len(keys) > _MAX_SELECTED:
            raise Http404
        return list(self.get_queryset(request).filter(pk__in=keys).order_by("code"))

    def _from_list(self, request: HttpRequest, queryset: QuerySet[Any], verb: str) -> HttpResponse | None:
        if request.POST.get("select_across", "0") == "0":
            codes = self._chosen(request, request.POST.getlist(helpers.ACTION_CHECKBOX_NAME))
        else:
            codes = list(queryset.order_by("code")[: _MAX_SELECTED + 1])
        if len(codes) > _MAX_SELECTED:
            messages.error(request, f"Choose at most {_MAX_SELECTED} vouchers. Nothing was changed.")
            return None
        return self._ask(request, verb, codes, ReasonForm(), self._submission(request, verb, codes))

    @admin.action(description="Pause", permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return self._from_list(request, queryset, "pause")

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return self._from_list(request, queryset, "resume")

    @admin.action(description="Retire", permissions=["change"])
    def retire(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return self._from_list(request, queryset, "retire")

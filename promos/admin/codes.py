"""The pages of vouchers: issue, change, bring back. Each calls a use case; none deletes."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from billing.admin.audit import history_panel
from billing.admin.console.base import View, find_or_404
from billing.admin.console.display import (
    NOTHING,
    Fact,
    Panel,
    Text,
    amount,
    change_url,
    clipped,
    day,
    link,
    list_url,
    moment,
    two_lines,
)
from billing.admin.console.pages import form_page, record_page
from billing.admin.console.people import name_of
from billing.admin.console.proposed import done_or_proposed
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Done, Submission
from billing.language import say
from billing.local_time import local_text
from promos.errors import InvalidPromo
from promos.models import Campaign, PromoCode
from promos.queries import normal_code
from promos.use_cases.approvals.propose_issue import issue_or_propose, issued_or_refused

from .code_forms import FIELD_OF_REFUSAL, IssueForm, TermsForm, initial_terms
from .code_import.import_page import import_view
from .code_states import CodeStatesAdmin, lock_update_time
from .forecasts import WHAT_IF, asks_what_if, what_if_facts
from .form_fields import written_credit_life
from .oversight.attempts import attempts_panel
from .oversight.figures import credit_column, credit_panel, figure_panels
from .redemptions import redemptions_panel
from .restriction_fields import restriction_facts, with_restricted
from .states import (
    STATES_AS_LISTED,
    StateFilter,
    codes_as_listed,
    format_usage,
    state_badge,
    state_of,
    usage_bar,
    with_state,
)


def _shorten(value: datetime) -> str:
    """Writes a time without its seconds if they are zero."""
    return local_text(value).removesuffix(":00")


@admin.register(PromoCode)
class PromoCodeAdmin(CodeStatesAdmin):
    """Vouchers. The permissions of the user's group apply to all vouchers alike."""

    noun, nouns, add_title = "voucher", "vouchers", "Issue a voucher"
    audit_name = "promo_code"
    list_display = ("named", "state", "credit_amount", "use", "credit_left", "validity", "issued")
    list_filter = (StateFilter,)
    list_before_template = "admin/voucher_states.html"
    narrow_by = {"campaign__name": "campaign"}
    search_fields = ("code",)
    search_help_text = "Code, description or campaign"
    ordering = ("-created_at", "-id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[PromoCode, PromoCode]:
        codes = codes_as_listed().select_related("campaign").annotate(issuer_name=name_of("issued_by"))
        return with_state(codes, now=timezone.now())

    def search_filter(self, term: str) -> Q:
        # Codes are stored in upper case, so they need not be converted one by one.
        # The few campaigns are read first, for the same reason.
        campaigns = list(Campaign.objects.filter(name__icontains=term).values_list("pk", flat=True))
        found = Q(code__contains=normal_code(term)) | Q(description__icontains=term)
        return found | Q(campaign__in=campaigns) if campaigns else found

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        chosen = request.GET.get("state", "")
        choices = [("", "All but retired"), *((state.value, str(state.label)) for state in STATES_AS_LISTED)]
        tabs = [
            (say(title), list_url(self.model_label, **({"state": value} if value else {})), value == chosen)
            for value, title in choices
        ]
        context = {"state_tabs": tabs, "import_url": reverse(f"admin:{self.model_label}_import")}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        return [*super().extra_views(), ("import/", "import", partial(import_view, self))]

    # --- The list -----------------------------------------------------------------------------------------------

    @admin.display(description="Code", ordering="code")
    def named(self, promo_code: Any) -> Text:
        struck = " struck" if promo_code.retired_at else ""
        return two_lines(
            format_html('<span class="mono{}">{}</span>', struck, promo_code.code),
            clipped(promo_code.description) if promo_code.description else "",
        )

    @admin.display(description="State")
    def state(self, promo_code: Any) -> Text:
        return with_restricted(state_badge(state_of(promo_code)), restricted=promo_code.restricted)

    @admin.display(description="Credit", ordering="credit_minor")
    def credit_amount(self, promo_code: Any) -> Text:
        return amount(promo_code.credit_minor)

    @admin.display(description="Used")
    def use(self, promo_code: Any) -> Text:
        return usage_bar(promo_code)

    @admin.display(description="Credit as of last night")
    def credit_left(self, promo_code: Any) -> Text:
        return credit_column(getattr(promo_code, "figures", None))

    @admin.display(description="Valid")
    def validity(self, promo_code: Any) -> Text:
        starts, ends = promo_code.starts_at, promo_code.expires_at
        if not starts and not ends:
            return say("always")
        start = say("from %(time)s", time=_shorten(starts)) if starts else ""
        end = say("until %(time)s", time=_shorten(ends)) if ends else ""
        return format_html('<span class="lines"><span>{}</span><span>{}</span></span>', start, end)

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
        yield Fact("Credit expires", written_credit_life(record, otherwise=written_credit_life(record.campaign)))
        yield from restriction_facts(record.restrictions, record.campaign.restrictions)
        yield Fact("Description", record.description or NOTHING)
        yield Fact("Expect a rush", say("yes" if record.hot else "no"))
        yield Fact("Issued by", record.issuer_name)
        yield Fact("Issued", moment(record.created_at))
        yield Fact("Last changed", moment(record.updated_at))
        if record.retired_at:
            yield Fact("Retired at", moment(record.retired_at))

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        codes = PromoCode.objects.filter(pk=record.pk)
        figures = getattr(record, "figures", None)
        yield credit_panel(figures)
        yield from figure_panels(request, codes, figures, promo_code__code=record.code)
        yield history_panel(object_type=self.audit_name, object_id=record.code)
        if request.user.has_perm("promos.view_redemption"):
            yield redemptions_panel(record)
        if request.user.has_perm("promos.view_refusedattempt"):
            yield attempts_panel(record.refused_attempts, promo_code__code=record.code)

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
                raise InvalidPromo(
                    fields={"code": [say("%(code)s already exists. To change it, open it from the list.", code=text)]}
                )
            reason, campaign_id = form.cleaned_data["reason"], form.campaign_id()
            outcome = issue_or_propose(
                code=text, terms=form.terms(), by=actor_of(request), reason=reason, campaign_id=campaign_id
            )
            if outcome.proposal:
                return done_or_proposed(outcome, request)
            made = issued_or_refused(outcome)
            result = "was retired, and is back with these terms" if existing else "is issued"
            return Done(f"{made.code} {result}.", change_url(self.model_label, made.pk))

        facts: list[Fact] = []
        if asks_what_if(request, form):
            facts = what_if_facts(form, lambda: form.offer(campaign_id=form.campaign_id()))
        elif form.is_valid() and (
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
            more_submits=[WHAT_IF],
            facts=facts,
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
        panels: list[Panel] = []
        if asks_what_if(request, form):
            if facts := what_if_facts(form, lambda: form.offer(campaign_id=promo_code.campaign_id)):
                panels = [Panel(title="What if", facts=facts)]
        elif form.is_valid() and (answer := self._change(request, promo_code, form, submission)):
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
            more_submits=[WHAT_IF],
            more_panels=panels,
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
                return done_or_proposed(outcome, request)
            changed = issued_or_refused(outcome)
            if changed.updated_at == seen_at:
                text = say("%(code)s already has these terms; nothing was changed.", code=changed.code)
            else:
                text = say("%(code)s is back." if was_retired else "%(code)s is changed.", code=changed.code)
            return Done(text, request.path)

        return submission.submit(
            form, lock_state=lambda: lock_update_time(promo_code), effect=change, fields=FIELD_OF_REFUSAL
        )

"""The pages of dealers."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse

from billing.admin.audit import history_panel
from billing.admin.console.acts import change_on_page
from billing.admin.console.base import RecordAdmin
from billing.admin.console.display import (
    NOTHING,
    Fact,
    Panel,
    Text,
    Tool,
    amount,
    change_url,
    day,
    list_url,
    moment,
    two_lines,
)
from billing.admin.console.pages import form_page
from billing.admin.console.people import name_of
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Done, Submission
from billing.language import say
from promos.models import Dealer
from promos.use_cases.ranges.keep_dealers import add_dealer, change_dealer

from .range_forms import DealerForm

_FIELD_OF_REFUSAL = {"dealer_name_taken": "name", "dealer_user_taken": "user_id"}


@admin.register(Dealer)
class DealerAdmin(RecordAdmin):
    """Dealers: those who sell cards. Each may be linked to a user with the role dealer."""

    list_display = ("named", "user", "held", "redeemed", "added")
    narrow_by = {"id": "dealer"}
    search_fields = ("name",)
    search_help_text = "Name or user id"
    ordering = ("-created_at", "-id")
    sortable_by = ()
    actions = None
    add_title = "Add a dealer"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Dealer, Dealer]:
        named = {"adder_name": name_of("created_by"), "user_name": name_of("user_id")}
        return Dealer.objects.select_related("figures").annotate(**named)

    def search_filter(self, term: str) -> Q:
        return Q(name__icontains=term) | Q(user_id=term)

    @admin.display(description="Name")
    def named(self, dealer: Dealer) -> Text:
        return dealer.name

    @admin.display(description="User")
    def user(self, dealer: Any) -> Text:
        return dealer.user_name or NOTHING

    @admin.display(description="Active cards")
    def held(self, dealer: Dealer) -> Text:
        figures = getattr(dealer, "figures", None)
        return (
            say("%(part)s of %(whole)s", part=f"{figures.activated:,}", whole=f"{figures.allocated:,}")
            if figures
            else NOTHING
        )

    @admin.display(description="Redeemed as of last night")
    def redeemed(self, dealer: Dealer) -> Text:
        figures = getattr(dealer, "figures", None)
        return two_lines(f"{figures.redeemed:,}", amount(figures.credit_minor)) if figures else NOTHING

    @admin.display(description="Added")
    def added(self, dealer: Dealer) -> Text:
        return day(dealer.created_at)

    def title_of(self, record: Any) -> str:
        return str(record.name)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("User", self.user(record))
        if figures := getattr(record, "figures", None):
            yield Fact("Cards held", f"{figures.allocated:,}")
            yield Fact("Active cards", f"{figures.activated:,}")
            yield Fact("Redeemed cards", f"{figures.redeemed:,}")
            yield Fact("Credit of redeemed cards", amount(figures.credit_minor))
            yield Fact("Figures as of", moment(figures.as_of))
        yield Fact("Added", moment(record.created_at))
        yield Fact("Added by", record.adder_name)

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        yield history_panel(object_type="dealer", object_id=str(record.pk))

    def links(self, record: Any) -> Iterable[Tool]:
        yield Tool("Ranges of cards", list_url("promos_cardrange", dealer=str(record.pk)))
        yield Tool("Redemptions", list_url("promos_redemption", q=record.name))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = DealerForm(request.POST if request.method == "POST" else None)
        submission = Submission(request, f"{self.model_label}:add", None)

        def effect() -> Done:
            dealer = add_dealer(**form.cleaned_data, by=actor_of(request))
            return Done(
                say("%(title)s is %(state)s.", title=dealer.name, state=say("added")),
                change_url(self.model_label, dealer.pk),
            )

        if form.is_valid() and (
            answer := submission.submit(form, lock_state=lambda: None, effect=effect, fields=_FIELD_OF_REFUSAL)
        ):
            return answer
        back = list_url(self.model_label)
        return form_page(
            self, request, title=self.add_title, form=form, submission=submission, submit="Add", back=back
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Shows a dealer, with a form to change it."""

        def effect(dealer: Dealer, given: dict[str, Any]) -> Done:
            changed = change_dealer(dealer_id=dealer.pk, **given, by=actor_of(request))
            return Done(
                say("%(title)s is %(state)s.", title=changed.name, state=say("changed")),
                change_url(self.model_label, changed.pk),
            )

        return change_on_page(
            self,
            request,
            object_id,
            form_class=DealerForm,
            initial=lambda dealer: {"name": dealer.name, "user_id": dealer.user_id},
            state_of=lambda dealer: dealer.updated_at,
            effect=effect,
            fields=_FIELD_OF_REFUSAL,
        )

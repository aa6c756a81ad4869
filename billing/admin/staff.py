"""The pages of staff: who may sign in to the console, and with which role. A use case assigns roles, with audit."""

from typing import Any

from allauth.mfa import admin as second_factors
from allauth.usersessions import admin as sessions
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from unfold.forms import AdminPasswordChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminSelectWidget

from billing.actor import CUSTOMER, STAFF_ROLES
from billing.admin.console.base import REFUSAL, Change, ConsoleAdmin
from billing.admin.console.display import Text, Tool, badge, change_url, list_url, moment
from billing.admin.console.forms import TranslatedForm, UneditedValues, reason_field
from billing.admin.console.request_actor import actor_of, staff_of
from billing.admin.console.submission import Submission
from billing.language import say, say_lazily
from billing.models import User
from billing.use_cases.assign_role import assign_role, role_of
from billing.use_cases.identity.end_sessions import end_sessions
from billing.use_cases.identity.users import vouch_for_address

_NO_ROLE = "Not staff"
_ROLES = [("", "Choose a role"), *((role, role) for role in reversed(STAFF_ROLES)), (CUSTOMER, _NO_ROLE)]


def _role_field() -> forms.ChoiceField:
    return forms.ChoiceField(
        choices=_ROLES,
        help_text="superadmin: everything. sovereign-admin: vouchers. approver: decides proposals. finance: the"
        " books. support: helps customers. auditor: reads everything, changes nothing. dealer: sees and activates"
        " its own cards.",
        widget=UnfoldAdminSelectWidget(choices=_ROLES),
    )


class NewStaffForm(TranslatedForm, UserCreationForm):
    """A new console user, with a role."""

    role = _role_field()
    usable_password = forms.ChoiceField(
        label="Sign-in",
        choices=[("true", "With a password"), ("false", "Only at the identity provider")],
        initial="true",
        required=False,
    )
    reason = reason_field()

    class Meta:
        model = User
        fields = ("username", "email")


class StaffForm(UneditedValues, forms.ModelForm):  # type: ignore[type-arg]
    """An existing console user. Nobody can take away their own role or access."""

    acting: User
    role = _role_field()
    reason = reason_field()

    class Meta:
        model = User
        fields = ("username", "email", "first_name", "last_name", "is_active")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.initial["role"] = role_of(self.instance)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.instance.pk == self.acting.pk:
            if data.get("role") != self.initial["role"]:
                self.add_error("role", ValidationError("Only another superadmin can change your role."))
            if not data.get("is_active"):
                self.add_error("is_active", ValidationError("You cannot deactivate yourself."))
        return data


class KindFilter(admin.SimpleListFilter):
    """Shows staff, or all users on request."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("all", "All users")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset if self.value() == "all" else queryset.filter(is_staff=True)

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        return [{**first, "display": say("Staff")}, *others]


admin.site.unregister(Group)  # groups are roles: a migration creates them, and nobody edits them
# Their packages' own pages would show and change secrets of second factors, without an audit entry.
admin.site.unregister([second_factors.Authenticator, sessions.UserSession])  # type: ignore[attr-defined]


@admin.register(User)
class StaffAdmin(DjangoUserAdmin, ConsoleAdmin):  # type: ignore[type-arg]
    """Users of the console. A user is deactivated, never deleted, because records name them."""

    noun, nouns, add_title = "member of staff", "staff", "Add a member of staff"
    form = StaffForm
    add_form = NewStaffForm
    # Django's own begins with a sentence about options that there are none of here.
    add_form_template = None
    change_password_form = AdminPasswordChangeForm
    change_user_password_template = "admin/set_password.html"  # noqa: S105 - a file
    fieldsets = (
        (None, {"fields": ("username", "email", "first_name", "last_name", "role", "is_active", "reason")}),
        (say_lazily("Platform account"), {"fields": ("sub", "seen", "joined")}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "email", "role", "usable_password", "password1", "password2", "reason")}),
    )
    readonly_fields = ("sub", "seen", "joined")
    list_display = ("username", "email", "role", "access", "seen")
    list_filter = (KindFilter, "is_active")
    narrow_by = {"id": "user"}
    search_fields = ("username", "email", "first_name", "last_name", "sub")
    search_help_text = "Name, e-mail or user id"
    ordering = ("username",)
    filter_horizontal = ()
    actions = None
    audit_name = "user"

    def get_queryset(self, request: HttpRequest) -> QuerySet[User, User]:
        return User.objects.prefetch_related("groups")

    def get_form(
        self, request: HttpRequest, obj: User | None = None, change: bool = False, **options: Any
    ) -> type[Any]:
        form: type[Any] = super().get_form(request, obj, change=change, **options)
        return type(form.__name__, (form,), {"acting": staff_of(request)})

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if change and set(form.changed_data) & set(StaffForm.Meta.fields):
            obj.updated_at = timezone.now()
        super().save_model(request, obj, form, change)
        data = form.cleaned_data
        if not change or "email" in form.changed_data:
            vouch_for_address(user=obj)
        assign_role(user=obj, role=data["role"], by=actor_of(request), reason=data["reason"])

    def construct_change_message(  # type: ignore[override]
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Change:
        if isinstance(form, AdminPasswordChangeForm):
            return Change(fields={"password": [None, "changed"]}, reason="")
        change: Change = super().construct_change_message(request, form, formsets, add)
        # The use case that assigns a role writes its own audit entry.
        return change._replace(fields={name: value for name, value in change.fields.items() if name != "role"})

    def values_of(self, item: User) -> list[Any]:
        # Not the time of the last sign-in: the user may sign in while a superadmin edits.
        return [item.username, item.email, item.first_name, item.last_name, item.is_active, role_of(item)]

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Sets a user's password once. The password and its audit entry are committed together."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        self._refuse_malformed_key(id)
        user = self.get_object(request, unquote(id))
        submission = Submission(request, f"{self.model_label}:password:{id}", self.state_of(user))
        if request.method == "POST" and user is not None:
            response = self._save_once(request, submission, user, lambda: self._set_password(request, id, form_url))
        else:
            response = self._set_password(request, id, form_url)
        if isinstance(response, TemplateResponse) and response.context_data:
            page = change_url(self.model_label, id)
            crumbs = [
                (say("Staff"), list_url(self.model_label)),
                (say("Member of staff"), page),
                (say("Set a password"), ""),
            ]
            response.context_data |= {"crumbs": crumbs, "token": submission.token}
        return response

    def _set_password(self, request: HttpRequest, id: str, form_url: str) -> HttpResponse:
        if refusal := getattr(request, REFUSAL, ""):
            messages.error(request, refusal)
            return HttpResponseRedirect(request.path)
        response: HttpResponse = super().user_change_password(request, id, form_url)
        if request.method == "POST" and response.status_code == 302:  # noqa: PLR2004
            self._end_sessions(request, User.objects.get(pk=unquote(id)))
        return response

    def _end_sessions(self, request: HttpRequest, user: User) -> None:
        end_sessions(user=user)
        if user.pk == request.user.pk:
            update_session_auth_hash(request, user)

    def form_links(self, request: HttpRequest, object_id: str) -> list[Tool]:
        password = Tool("Set a password", reverse("admin:auth_user_password_change", args=[object_id]))
        return [password, *super().form_links(request, object_id)]

    @admin.display(description="Role")
    def role(self, user: User) -> Text:
        found = role_of(user)
        return badge(_NO_ROLE, "plain") if found == CUSTOMER else badge(found, "info")

    @admin.display(description="Access")
    def access(self, user: User) -> Text:
        return badge("active", "good") if user.is_active else badge("deactivated", "bad")

    @admin.display(description="Last signed in", ordering="last_login")
    def seen(self, user: User) -> Text:
        return moment(user.last_login)

    @admin.display(description="Since")
    def joined(self, user: User) -> Text:
        return moment(user.date_joined)

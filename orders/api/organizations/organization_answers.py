"""Shows an organization in answers. Items are named by id, apps by their slugs as well."""

from collections.abc import Iterable
from typing import Any

from rest_framework import serializers

from billing.local_time import utc_text
from billing.models import Organization
from orders.models import UnsettledApp
from orders.queries.organizations import app_slugs_of, app_states_of
from orders.use_cases.organizations.list_organizations import ListedOrganization


class AppStatesField(serializers.DictField):
    def __init__(self, **options: Any) -> None:
        super().__init__(
            child=serializers.ChoiceField(choices=UnsettledApp.State.choices),
            help_text="By app id; an app that is absent is settled.",
            **options,
        )


class OrganizationSerializer(serializers.ModelSerializer[Organization]):
    apps = serializers.ListField(child=serializers.UUIDField(), read_only=True)
    addons = serializers.ListField(child=serializers.UUIDField(), read_only=True)
    app_slugs = serializers.ListField(child=serializers.CharField(), read_only=True)
    app_states = AppStatesField(read_only=True)

    class Meta:
        model = Organization
        fields = [
            "id",
            "slug",
            "name",
            "plan_id",
            "apps",
            "addons",
            "app_slugs",
            "status",
            "app_states",
            "created_at",
            "vat_number",
        ]
        read_only_fields = fields


def describe_organizations(organizations: Iterable[Organization]) -> list[dict[str, Any]]:
    """Returns the answers for organizations. Two queries at most."""
    rows = list(organizations)
    slugs, states = app_slugs_of(rows), app_states_of(rows)
    return [
        describe_listed(
            ListedOrganization(
                organization=each,
                app_slugs=[slugs[app] for app in each.apps if app in slugs],
                app_states=states[each.id],
            )
        )
        for each in rows
    ]


def describe_listed(listed: ListedOrganization) -> dict[str, Any]:
    """Returns the answer for an organization that was read with its apps."""
    organization = listed.organization
    return {
        "id": str(organization.id),
        "slug": organization.slug,
        "name": organization.name,
        "plan_id": organization.plan_id and str(organization.plan_id),
        "apps": organization.apps,
        "addons": organization.addons,
        "app_slugs": listed.app_slugs,
        "status": organization.status,
        "app_states": listed.app_states,
        "created_at": utc_text(organization.created_at),
        "vat_number": organization.vat_number,
    }


def describe_organization(organization: Organization) -> dict[str, Any]:
    """Returns the answer for one organization."""
    [answer] = describe_organizations([organization])
    return answer

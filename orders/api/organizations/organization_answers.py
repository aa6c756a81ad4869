"""Shows an organization in answers. Items are named by id, apps by their slugs as well."""

from collections.abc import Iterable
from typing import Any

from rest_framework import serializers

from billing.models import Organization
from orders.models import UnsettledApp
from orders.queries import app_slugs_of, app_states_of


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
        ]
        read_only_fields = fields


def describe_organizations(
    organizations: Iterable[Organization], serializer: type[OrganizationSerializer] = OrganizationSerializer
) -> list[dict[str, Any]]:
    """Returns the answers for organizations. Two queries at most."""
    rows: list[Any] = list(organizations)
    slugs, states = app_slugs_of(rows), app_states_of(rows)
    for each in rows:
        each.app_slugs = [slugs[app] for app in each.apps if app in slugs]
        each.app_states = states[each.id]
    return list(serializer(rows, many=True).data)


def describe_organization(organization: Organization) -> dict[str, Any]:
    """Returns the answer for one organization."""
    [answer] = describe_organizations([organization])
    return answer

"""Permissions by role. A superadmin may do everything; a view names the other roles that it admits."""

from typing import Any

from django.utils.translation import gettext_lazy
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from billing.actor import SUPERADMIN
from billing.api.access.authentication import Principal


class Authenticated(BasePermission):
    """Admits every identified caller. This is the default for views."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.user, Principal)


def roles(*may: str, read: tuple[str, ...] = ()) -> type[BasePermission]:
    """Makes a permission for these roles, and for the roles in `read` if the request only reads.

    `permission_classes = [roles(SOVEREIGN_ADMIN, read=(AUDITOR,))]`
    """

    class RolePermission(BasePermission):
        message = gettext_lazy("your role does not allow this")

        def has_permission(self, request: Request, view: Any) -> bool:
            if not isinstance(request.user, Principal):
                return False
            allowed = (SUPERADMIN, *may, *(read if request.method in SAFE_METHODS else ()))
            return request.user.role in allowed

    return RolePermission

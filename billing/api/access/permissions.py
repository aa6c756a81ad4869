"""Who may: by role. A superadmin may everything; a view says which other roles may."""

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from billing.actor import SUPERADMIN
from billing.api.access.authentication import Principal


class Authenticated(BasePermission):
    """Anybody with an identity; the default of every view that does not say otherwise."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.user, Principal)


def roles(*may: str, read: tuple[str, ...] = ()) -> type[BasePermission]:
    """A permission for the roles named, and in requests that only read for those of `read` as well.

    `permission_classes = [roles(SOVEREIGN_ADMIN, read=(AUDITOR,))]`
    """

    class RolePermission(BasePermission):
        message = "your role does not allow this"

        def has_permission(self, request: Request, view: Any) -> bool:
            if not isinstance(request.user, Principal):
                return False
            allowed = (SUPERADMIN, *may, *(read if request.method in SAFE_METHODS else ()))
            return request.user.role in allowed

    return RolePermission

"""An endpoint of the API as tests know it, and the sets of roles that may use one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from billing.actor import APPROVER, AUDITOR, CUSTOMER, DEALER, FINANCE, SOVEREIGN_ADMIN, SUPERADMIN, SUPPORT

ANONYMOUS = "anonymous"
PUBLIC = frozenset({ANONYMOUS, CUSTOMER, DEALER, AUDITOR, SUPPORT, FINANCE, APPROVER, SOVEREIGN_ADMIN, SUPERADMIN})
IDENTIFIED = PUBLIC - {ANONYMOUS}
READS_LEDGER = frozenset({AUDITOR, SUPPORT, FINANCE, SUPERADMIN})
READS_VOUCHERS = READS_LEDGER | {APPROVER, SOVEREIGN_ADMIN}
READS_ALERTS = frozenset({AUDITOR, SOVEREIGN_ADMIN, SUPERADMIN})
READS_ATTEMPTS = READS_VOUCHERS - {APPROVER, FINANCE}
ISSUES = frozenset({SOVEREIGN_ADMIN, SUPERADMIN})
READS_ORDERS = READS_LEDGER | {APPROVER}
READS_REVENUE = READS_LEDGER - {SUPPORT}
READS_WEBHOOKS = frozenset({AUDITOR, SUPERADMIN})
READS_EVENTS = READS_WEBHOOKS | {SUPPORT}
READS_PROPOSALS = frozenset({AUDITOR, SUPPORT, APPROVER, SOVEREIGN_ADMIN, SUPERADMIN})
# Whether it is their own decides.
WITHDRAWS = IDENTIFIED - {CUSTOMER}
DECIDES = frozenset({APPROVER, SUPERADMIN})
ADMINISTERS = frozenset({SUPERADMIN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A method at a path; `{tenant}`, `{code}` and `{slug}` stand for records that each test creates.

    `body` is a valid body with the same placeholders, and `status` is the status of its answer, `success` the
    documented one where that is a refusal. If the endpoint `requires_nothing`, an empty body is valid too.
    """

    method: str
    path: str
    roles: frozenset[str]
    body: Mapping[str, Any] | None = None
    status: int = 200
    success: int = 200
    is_list: bool = False
    requires_nothing: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def path_with(self, **facts: str) -> str:
        return self.path.format(**facts)

    def body_with(self, **facts: str) -> dict[str, Any] | None:
        if self.body is None:
            return None
        return {name: value.format(**facts) if isinstance(value, str) else value for name, value in self.body.items()}

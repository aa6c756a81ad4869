from django.apps import AppConfig
from django.contrib.postgres.indexes import OpClass
from django.db.models import OrderBy
from django.db.models.functions import Collate
from django.db.models.indexes import IndexExpression


class BillingConfig(AppConfig):
    """The apps' configurations name what code of another app needs of them, because imports go one way.

    `migrate` installs the SQL files; see the command. `proposal_kinds` are the acts that can wait for an approval.
    """

    name = "billing"
    default_auto_field = "django.db.models.BigAutoField"
    sql_before_tables = ("models/keys.sql",)
    sql_after_tables = (
        "models/storage.sql",
        "models/ledger.sql",
        "models/proof/chain.sql",
        "models/proof/audit_chain.sql",
        "models/proof/erasure.sql",
        "models/lots/lots.sql",
        "use_cases/past/past.sql",
        "models/merges.sql",
        "models/transitions.sql",
        "models/approvals/proposals.sql",
        "models/bulk/bulk_grants.sql",
        "models/organizations/organization_members.sql",
        "use_cases/ledger/grant_many.sql",
        "use_cases/bulk/undo_grants.sql",
        "use_cases/store_answer.sql",
    )
    proposal_kinds = (
        "billing.use_cases.proposals.credit_adjustment.CREDIT_ADJUSTMENT",
        "billing.use_cases.bulk.propose_bulk_grant.BULK_GRANT",
        "billing.use_cases.proposals.email_move.EMAIL_MOVE",
    )

    def ready(self) -> None:
        """Lets indexes name an operator class, as django.contrib.postgres does; that app sends queries of its own."""
        IndexExpression.register_wrappers(OrderBy, OpClass, Collate)

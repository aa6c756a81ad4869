"""The chains of other apps' entries, which heads, checks and evidence packs cover as they cover the ledger.

An app names its chains as `proof_chains` of its AppConfig: the name, the folder of the statements `end`, `verify` and
`export`, and the deferred trigger that adds an entry to the chain when its transaction ends.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.apps import apps

from billing.queries import cursor_without_timeout


@dataclass(frozen=True, slots=True)
class AppChain:
    """One chain of an app."""

    name: str
    folder: Path
    trigger: str

    def read_statement(self, name: str) -> str:
        """Reads a statement of the chain."""
        return (self.folder / f"{name}.sql").read_text(encoding="utf-8")

    def find_end(self) -> tuple[int, str]:
        """Returns how many entries the chain has, and the newest hash, with those of the caller's own transaction."""
        with cursor_without_timeout() as cursor:
            cursor.execute(f"SET CONSTRAINTS {self.trigger} IMMEDIATE")
            cursor.execute(f"SET CONSTRAINTS {self.trigger} DEFERRED")
            cursor.execute(self.read_statement("end"))
            entries, digest = cursor.fetchone() or (0, "")
        return entries, digest

    def verify(self) -> tuple[int, str]:
        """Recomputes each hash, and compares the end and the signed heads.

        Returns: how many entries the chain has, and the first fault; empty if there is none.
        """
        self.find_end()
        with cursor_without_timeout() as cursor:
            cursor.execute(self.read_statement("verify"))
            entries, fault = cursor.fetchone()
        return entries, fault


def list_app_chains() -> Iterator[AppChain]:
    """Yields the chains of all apps."""
    for app in apps.get_app_configs():
        for name, (folder, trigger) in getattr(app, "proof_chains", {}).items():
            yield AppChain(name, Path(app.path) / folder, trigger)

"""The statements that redemptions are compared with, each run by pgbench with prepared statements.

`floor` is one bare insert and its commit. `reference` is the sequence of the service that this one replaces: lock the
code, count the customer's redemptions, insert the redemption, move the counter, insert the ledger entry, commit; a
round trip each. Its tables have the indexes it needs and no more: no trigger, no constraint, no foreign key.
"""

import re
import subprocess
import tempfile
from pathlib import Path

from tests.bench.cluster import Connection, program
from tests.database import parameters

_SCHEMA = """
CREATE SCHEMA peer;
CREATE TABLE peer.bare (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer bigint, amount bigint,
                        created_at timestamptz DEFAULT now());
CREATE TABLE peer.code (code text PRIMARY KEY, credit bigint, cap bigint, times_redeemed bigint, active boolean);
CREATE TABLE peer.redemption (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code text, customer bigint,
                              created_at timestamptz DEFAULT now());
CREATE INDEX ON peer.redemption (code, customer);
CREATE TABLE peer.ledger (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer bigint, amount bigint,
                          reason text, created_at timestamptz DEFAULT now());
CREATE INDEX ON peer.ledger (customer);
INSERT INTO peer.code VALUES ('HOT', 10000, 1000000000, 0, true);
"""

FLOOR = "INSERT INTO peer.bare (customer, amount) VALUES (:client_id, 10000);\n"

REFERENCE = """\\set n :n + 1
\\set customer :client_id * 10000000 + :n
BEGIN;
SELECT credit, cap, times_redeemed FROM peer.code WHERE code = 'HOT' AND active FOR UPDATE;
SELECT count(*) FROM peer.redemption WHERE code = 'HOT' AND customer = :customer;
INSERT INTO peer.redemption (code, customer) VALUES ('HOT', :customer);
UPDATE peer.code SET times_redeemed = times_redeemed + 1 WHERE code = 'HOT';
INSERT INTO peer.ledger (customer, amount, reason) VALUES (:customer, 10000, 'promo HOT');
COMMIT;
"""


def make_peers(connection: Connection) -> None:
    """Makes the tables of the peers."""
    connection.execute(_SCHEMA.encode())


class Pgbench:
    """A script that pgbench runs again and again; every run continues where the last one stopped."""

    def __init__(self, connection: Connection, script: str) -> None:
        self._at = parameters(connection.info.dbname)
        self._script = script
        self._turn = 0

    def per_second(self, *, clients: int, seconds: float) -> float:
        """Transactions a second. Raises: RuntimeError where one failed."""
        self._turn += 1
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "script.sql"
            file.write_text(self._script)
            done = subprocess.run(
                [
                    program("pgbench"),
                    *("-n", "-M", "prepared", "-c", str(clients), "-j", str(min(clients, 2))),
                    *("-T", str(max(1, round(seconds))), "-D", f"n={self._turn * 100_000}", "-f", str(file)),
                    *("-h", self._at["host"], "-p", self._at["port"], "-U", self._at["user"], self._at["dbname"]),
                ],
                capture_output=True,
                text=True,
                check=False,
            )
        found = re.search(r"tps = ([0-9.]+) \(without", done.stdout)
        if done.returncode or not found:
            raise RuntimeError(f"pgbench failed:\n{done.stdout}{done.stderr}")
        return float(found[1])

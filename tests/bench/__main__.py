"""`python -m tests.bench [WHAT ...]`: measures, prints the tables, and keeps the figures as JSON."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench.cluster import set_up
from tests.bench.table import Table, machine, write_json

RESULTS = Path(__file__).resolve().parents[2] / "build" / "bench"


def _redemption(options: argparse.Namespace) -> list[Table]:
    from tests.bench import redemption  # noqa: PLC0415 - after set_up, as all of these

    return [redemption.measure(turns=options.turns, seconds=options.seconds)]


def _checkout(options: argparse.Namespace) -> list[Table]:
    from tests.bench import checkout  # noqa: PLC0415

    return [checkout.measure(turns=options.turns, seconds=options.seconds)]


def _front_ends(options: argparse.Namespace) -> list[Table]:
    from tests.bench import front_ends  # noqa: PLC0415

    return [front_ends.measure(turns=options.turns, seconds=options.seconds)]


def _sign_in(options: argparse.Namespace) -> list[Table]:
    from tests.bench import sign_in  # noqa: PLC0415

    return [sign_in.measure(turns=options.turns, seconds=options.seconds)]


def _catalog(options: argparse.Namespace) -> list[Table]:
    from tests.bench import catalog  # noqa: PLC0415

    return [catalog.measure(turns=options.turns, seconds=options.seconds)]


def _bulk(options: argparse.Namespace) -> list[Table]:
    from tests.bench import bulk  # noqa: PLC0415

    return [bulk.measure(turns=options.turns, seconds=options.seconds)]


def _startup(options: argparse.Namespace) -> list[Table]:
    from tests.bench import startup  # noqa: PLC0415

    return startup.measure(turns=options.turns, requests=options.requests)


def _scaling(options: argparse.Namespace) -> list[Table]:
    from tests.bench import scaling  # noqa: PLC0415

    return scaling.measure(turns=options.turns, seconds=options.seconds)


def _growth(options: argparse.Namespace) -> list[Table]:
    from tests.bench import growth  # noqa: PLC0415

    return [growth.measure(turns=options.turns, seconds=options.seconds, largest=options.largest)]


def _churn(options: argparse.Namespace) -> list[Table]:
    from tests.bench import churn  # noqa: PLC0415

    return [churn.measure(minutes=options.minutes)]


def _console(options: argparse.Namespace) -> list[Table]:
    from tests.bench.console.measure import measure  # noqa: PLC0415

    return measure(turns=options.turns, entries=options.entries, cards=options.cards, kept=options.database)


def _finance(options: argparse.Namespace) -> list[Table]:
    from tests.bench.finance import measure  # noqa: PLC0415

    return measure(turns=options.turns, entries=options.largest, kept=options.database)


def _shop(options: argparse.Namespace) -> list[Table]:
    from tests.bench.shop import measure  # noqa: PLC0415

    return measure(turns=options.turns, kept=options.database)


WHAT: dict[str, Callable[[argparse.Namespace], list[Table]]] = {
    "redemption": _redemption,
    "bulk": _bulk,
    "checkout": _checkout,
    "catalog": _catalog,
    "front-ends": _front_ends,
    "sign-in": _sign_in,
    "startup": _startup,
    "scaling": _scaling,
    "growth": _growth,
    "churn": _churn,
    "console": _console,
    "finance": _finance,
    "shop": _shop,
}


# Many minutes of their own each: only by name.
LONG = ("growth", "churn", "console", "finance", "shop")


def main(arguments: Sequence[str]) -> int:
    """Runs the chosen benchmarks. Returns 1 if a ratio misses its goal."""
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument("what", nargs="*", help=f"of {', '.join(WHAT)}; without one all but {', '.join(LONG)}")
    parser.add_argument("--turns", type=int, default=5, help="how often each is measured, in turn")
    parser.add_argument("--seconds", type=float, default=3, help="how long each turn")
    parser.add_argument("--requests", type=int, default=100_000, help="how many `startup` asks")
    parser.add_argument("--largest", type=int, default=10_000_000, help="growth, finance: ledger entries at the most")
    parser.add_argument("--minutes", type=float, default=10, help="churn: how long")
    parser.add_argument("--entries", type=int, default=5_000_000, help="console: ledger entries")
    parser.add_argument("--cards", type=int, default=1_000_000, help="console: cards of the batch")
    parser.add_argument(
        "--database", default="", help="console, finance, shop: a database that is filled once, and kept"
    )
    parser.add_argument("--json", type=Path, default=RESULTS, help="folder for the figures")
    options = parser.parse_args(arguments)
    unknown = set(options.what) - WHAT.keys()
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    set_up()
    print(machine(), flush=True)
    tables: list[Table] = []
    for name in options.what or [name for name in WHAT if name not in LONG]:
        made = WHAT[name](options)
        tables += made
        write_json(options.json / f"{name}.json", made)
    missed = [row.name for table in tables for row in table.rows if row.met is False]
    print(f"\nmissed: {', '.join(missed)}" if missed else "\nevery ratio that is asked for is reached")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

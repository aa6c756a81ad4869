"""Figures, taken in turns, and what is made of them: medians, spreads and ratios."""

import json
import os
import platform
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Measure = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure beside what it is compared with; `goal` is the ratio that it must reach."""

    name: str
    values: tuple[float, ...]
    against: str
    base: tuple[float, ...]
    goal: float | None = None
    at_most: bool = False
    # What README's table calls it; empty if the row does not stand there.
    title: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """The median of the ratios of each turn: what drifts between turns drifts in both."""
        return statistics.median(mine / theirs for mine, theirs in zip(self.values, self.base, strict=True))

    @property
    def met(self) -> bool | None:
        if self.goal is None:
            return None
        return self.ratio <= self.goal if self.at_most else self.ratio >= self.goal

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "median": statistics.median(self.values),
            "values": list(self.values),
            "against": self.against,
            "base_median": statistics.median(self.base),
            "base_values": list(self.base),
            "ratio": self.ratio,
            "goal": self.goal,
            "at_most": self.at_most,
            "met": self.met,
            "notes": dict(self.notes),
        }


def in_turns(measures: Mapping[str, Measure], *, turns: int) -> dict[str, tuple[float, ...]]:
    """Each measured once a turn, one after the other: A B C A B C …"""
    taken: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(turns):
        for name, measure in measures.items():
            taken[name].append(measure())
    return {name: tuple(values) for name, values in taken.items()}


def machine() -> str:
    """One line about where this ran."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB,"
        f" Python {platform.python_version()}, load {load}"
    )


class Table:
    """Rows under a title, printed as they come."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.rows: list[Row] = []
        self.facts: dict[str, Any] = {}
        print(f"\n## {title}\n", flush=True)
        print("| what | median (spread) | beside | median (spread) | ratio | asked for |")
        print("|---|---:|---|---:|---:|---:|", flush=True)

    def add(self, row: Row) -> None:
        self.rows.append(row)
        asked = "" if row.goal is None else f"{'≤' if row.at_most else '≥'} {row.goal:g}"
        verdict = {None: "", True: " ✓", False: " ✗"}[row.met]
        print(
            f"| {row.name} | {spread(row.values)} | {row.against} | {spread(row.base)} |"
            f" **{row.ratio:.2f}** | {asked}{verdict} |",
            flush=True,
        )

    def tell(self, **facts: Any) -> None:
        """Facts that are no ratio."""
        self.facts |= facts
        for name, value in facts.items():
            print(f"\n{name.replace('_', ' ')}: {value}", flush=True)

    def print_for_readme(self) -> None:
        """Prints the rows that have a title, as the table of README writes them."""
        print("\nfor README:\n")
        for row in self.rows:
            if row.title:
                verdict = {None: "", True: f"{row.goal:g}, met", False: f"{row.goal:g}, **missed**"}[row.met]
                mine, theirs = (f"{statistics.median(each):,.0f}/s" for each in (row.values, row.base))
                print(f"| {row.title} | {mine} | an empty Django view: {theirs} | {row.ratio:.2f} | {verdict} |")

    def as_json(self) -> dict[str, Any]:
        return {"title": self.title, "rows": [row.as_json() for row in self.rows], "facts": self.facts}


def spread(values: tuple[float, ...]) -> str:
    """Median, and in brackets the least and the greatest."""
    form = "{:,.0f}" if statistics.median(values) >= 100 else "{:.3g}"
    middle, least, most = (form.format(each) for each in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({least}-{most})"


def write_json(file: Path, tables: list[Table]) -> None:
    """The same figures for programs."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        json.dumps({"machine": machine(), "tables": [table.as_json() for table in tables]}, indent=1, default=str)
    )

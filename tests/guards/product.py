"""The product's own files, and the functions of a Python file that call another one."""

import ast
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[2]
APPS = ("billing", "promos", "orders", "config")


def product_files(pattern: str) -> Iterator[Path]:
    """Yields the files of the four apps, without migrations and development tools."""
    for app in APPS:
        for path in sorted((PROJECT / app).rglob(pattern)):
            if not {"migrations", "devtools"} & set(path.parts):
                yield path


def callers_of(*names: str) -> set[str]:
    """Returns the functions that call one of these names, such as `Payment.objects.create`, as `path function`."""
    found = set()
    for path in product_files("*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                calls = (ast.unparse(node.func) for node in ast.walk(function) if isinstance(node, ast.Call))
                if any(call == name or call.endswith(f".{name}") for call in calls for name in names):
                    found.add(f"{path.relative_to(PROJECT)} {function.name}")
    return found

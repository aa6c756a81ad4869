"""Collect the sentences of refusals that are not the own text of an error class, from the code that writes them.

A sentence with placeholders is its template: `{name}` stands for what the code puts in.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
FOLDERS = ("billing", "promos", "orders", "config")
UNREAD = ("devtools", "migrations")
# Calls whose arguments are shown to people, and the names under which classes and calls hold sentences.
CALLS = (
    *("ValidationError", "RegexValidator", "AmountError", "DomainNameError", "MalformedJSON", "UnsupportedMediaType"),
    *("AddressRefused", "PermissionDenied", "Problem", "add_error", "fail", "error", "warning"),
)
# Errors of programs and loggers, which no client and no member of staff sees.
LOGS = ("logger", "parser", "structlog")
ERROR_TABLES = ("default_error_messages", "error_messages", "default_detail")
# The field that a form names is not a sentence; neither is a word alone.
MIN_WORDS = 2


def templates() -> Iterator[str]:
    """Yield each sentence that a form, field, serializer, page or error instance refuses with."""
    return (text for _place, text in placed_templates())


def placed_templates() -> Iterator[tuple[str, str]]:
    """Yield each of these sentences with the file that writes it."""
    trees = {
        path: ast.parse(path.read_text())
        for folder in FOLDERS
        for path in sorted((PROJECT / folder).rglob("*.py"))
        if not any(part in UNREAD for part in path.parts)
    }
    errors = [tree for path, tree in trees.items() if "errors" in path.with_suffix("").parts]
    calls = {*CALLS, *(node.name for tree in errors for node in ast.walk(tree) if isinstance(node, ast.ClassDef))}
    for path, tree in trees.items():
        for text in _templates_of(tree, calls):
            yield str(path.relative_to(PROJECT)), text


def _templates_of(tree: ast.AST, calls: set[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _shows_text(node, calls):
            for each in [*node.args, *(keyword.value for keyword in node.keywords)]:
                yield from _texts(each)
        elif isinstance(node, ast.Assign) and any(_holds_sentences(each) for each in node.targets):
            yield from _texts(node.value)
        elif isinstance(node, ast.FunctionDef) and "problem" in node.name:
            for below in ast.walk(node):
                if isinstance(below, ast.Return) and below.value:
                    yield from _texts(below.value)
        elif isinstance(node, ast.keyword) and node.arg in (*ERROR_TABLES, "fields", "text"):
            yield from _texts(node.value)


def _holds_sentences(target: ast.expr) -> bool:
    """Tell whether an assignment fills a table of sentences: `problems["name"] = [...]`."""
    name = ast.unparse(target.value) if isinstance(target, ast.Subscript) else ast.unparse(target)
    return name in (*ERROR_TABLES, "problems")


def _shows_text(call: ast.Call, calls: set[str]) -> bool:
    function = ast.unparse(call.func)
    return function.rpartition(".")[2] in calls and function.partition(".")[0] not in LOGS


def _texts(value: ast.AST) -> Iterator[str]:
    for node in _sentence_nodes(value):
        text = _text_of(node)
        if len(text.split()) >= MIN_WORDS:
            yield text


def _sentence_nodes(value: ast.AST) -> Iterator[ast.AST]:
    if isinstance(value, ast.JoinedStr) or (isinstance(value, ast.Constant) and isinstance(value.value, str)):
        yield value
    elif isinstance(value, ast.Dict):
        for below in value.values:
            yield from _sentence_nodes(below)
    elif not isinstance(value, ast.FormattedValue):
        for each in ast.iter_child_nodes(value):
            yield from _sentence_nodes(each)


def _text_of(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(
            f"{{{ast.unparse(each.value)}}}" if isinstance(each, ast.FormattedValue) else _text_of(each)
            for each in node.values
        )
    assert isinstance(node, ast.Constant)
    return str(node.value)

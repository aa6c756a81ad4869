"""A guard: no code trusts the position of an item in a list of Stripe's, or takes one page for the whole list.

Stripe promises an order for no list inside an object. Each place in orders/ that takes an item by its position is
listed here, with what makes it sound.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ORDERS = Path(__file__).parents[3] / "orders"

# Subscripts by a number and first items, by file. None of them reads a list of Stripe's.
OUR_OWN_SEQUENCES = {
    "stripe/event_format.py": set[str](),
    "stripe/gateway.py": {"page['data'][-1]", "page.pop('data')"},  # The cursor of the next page; no position.
    "stripe/mirror.py": {
        "each[0]",
        "item[0]",
        "item[0][0]",
        "reference[0]",
        "reference[1]",
        "start[0]",
        "start[1]",
        "waiting.pop(0)",
    },  # References: pairs of kind and id.
    "stripe/payloads.py": {"period[0]", "period[1]"},  # A pair of start and end.
    "stripe/replay.py": {"_PRODUCT_FEATURES[0]", "_PRODUCT_FEATURES[1]", "path.partition('?')[0]"},
    "stripe/session_request.py": set[str](),
    "stripe/subscriptions.py": set[str](),
}
# Functions that read a list inside an object, and consider all of its items.
LIST_READERS = {
    "lists_all_lines",
    "read_monthly_price",
    "_read_items",
    "_read_subscription_lines",
}
# Functions that read a page. Each goes on to the next page, or has asked for one object.
PAGE_READERS = {"list_pages", "_read_page"}


def positional_reads(tree: ast.AST) -> Iterator[str]:
    """Every subscript by a number, and every call that takes a first item."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript):
            index = node.slice.operand if isinstance(node.slice, ast.UnaryOp) else node.slice
            if isinstance(index, ast.Constant) and isinstance(index.value, int):
                yield ast.unparse(node)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith((".first", ".pop")) and node.args:
            yield ast.unparse(node)


def functions_that_contain(tree: ast.AST, texts: tuple[str, ...]) -> set[str]:
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return {each.name for each in functions if any(text in ast.unparse(each) for text in texts)}


def test_no_read_of_a_list_trusts_a_position() -> None:
    found = {
        str(path.relative_to(ORDERS)): set(positional_reads(ast.parse(path.read_text())))
        for path in (ORDERS / "stripe").glob("*.py")
        if path.name != "__init__.py"
    }
    assert found == OUR_OWN_SEQUENCES


def test_no_use_case_reads_a_list_inside_an_object_of_stripe() -> None:
    """Lists are read in payloads.py, one place for each fact."""
    reads = ("['data'][", ".data[", ".get('data')", "get('lines')", "get('items')")
    found = {
        path.name: names
        for path in (ORDERS / "use_cases").rglob("*.py")
        if (names := functions_that_contain(ast.parse(path.read_text()), reads))
    }
    # The data of another system's event is an object, and is checked to be one.
    assert found == {"receive_events.py": {"_read_envelope"}}


def test_each_list_inside_an_object_is_read_by_a_known_function() -> None:
    tree = ast.parse((ORDERS / "stripe/payloads.py").read_text())
    assert functions_that_contain(tree, ("get('data')", "has_more")) == LIST_READERS


def test_each_page_of_the_api_is_read_to_its_end() -> None:
    tree = ast.parse((ORDERS / "stripe/gateway.py").read_text())
    assert functions_that_contain(tree, (".data", "['data']")) == PAGE_READERS
    unpaged = [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".list")
    ]
    # They are iterated over all of their pages.
    assert sorted(each.split(".list(")[0].removeprefix("client.v1.") for each in unpaged) == [
        "checkout.sessions",
        "invoices.line_items",
    ]
    text = (ORDERS / "stripe/gateway.py").read_text()
    assert text.count(".auto_paging_iter()") == 2

"""The arguments and the list of users of the commands that do one thing for many users."""

import re
import sys
from pathlib import Path

from django.core.management.base import CommandError, CommandParser

from billing.actor import is_user_id
from billing.errors import DomainError
from billing.use_cases.ledger.grant_many import MAX_BATCH

# The exit status where the terms or the list are refused.
REFUSED = 1
# Users of one transaction, where the operator does not say.
DEFAULT_BATCH = 1_000
# Lines of a list that one message names.
MAX_LINES_NAMED = 10


def add_user_list_argument(parser: CommandParser, *, default: str | None = None) -> None:
    """`file`; with a default it may be left out."""
    help_text = "the list; '-' is standard input"
    if default is None:
        parser.add_argument("file", help=help_text)
    else:
        parser.add_argument("file", nargs="?", default=default, help=f"{help_text}, default {default}")


def add_batch_arguments(parser: CommandParser, *, kept: str) -> None:
    """`--why`, `--by`, `--batch` and `--dry-run`; `kept` says where the reason is kept."""
    parser.add_argument("--why", required=True, help=f"kept {kept}")
    parser.add_argument("--by", required=True, type=_user_id, help="user id of the person who decided it")
    parser.add_argument(
        "--batch", type=_batch_size, default=DEFAULT_BATCH, help=f"users a transaction, default {DEFAULT_BATCH}"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would come of it, and change nothing")


def _user_id(text: str) -> str:
    if not is_user_id(text):
        raise ValueError
    return text


def _batch_size(text: str) -> int:
    """Reads how many users one transaction takes."""
    number = int(text)
    if not 1 <= number <= MAX_BATCH:
        raise ValueError
    return number


def read_user_ids(name: str) -> list[str]:
    """Reads the user ids of a list, one a line, as spreadsheets write it.

    Empty lines, a byte order mark, and spaces and tabs around an id do not count. A line ends with LF, CR LF or CR
    and with nothing else: other separators inside a line belong to it, and make it no user id.

    Raises: CommandError if the list cannot be read, or if a line is no user id: it names the lines.
    """
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"the list cannot be read: {error}", returncode=REFUSED) from error
    lines = [line.strip(" \t") for line in re.split("\r\n|\r|\n", text.removeprefix("\ufeff"))]
    wrong = [
        f"line {number} is not a user id: {line[:80]!r}"
        for number, line in enumerate(lines, 1)
        if line and not is_user_id(line)
    ]
    if wrong:
        more = f"; and {len(wrong) - MAX_LINES_NAMED} more" if len(wrong) > MAX_LINES_NAMED else ""
        raise CommandError("; ".join(wrong[:MAX_LINES_NAMED]) + more, returncode=REFUSED)
    return [line for line in lines if line]


def refused(error: DomainError, *, done_before: str) -> CommandError:
    """Returns the end of a command that was refused: why, and what earlier batches have done, empty for nothing."""
    details = "".join(f"; {name}: {', '.join(texts)}" for name, texts in (error.fields or {}).items())
    before = f" (before that {done_before})" if done_before else ""
    return CommandError(f"{error}{details}{before}", returncode=REFUSED)

"""Checks an evidence pack of a ledger. It needs Python 3.8 or newer, and nothing else: no network, no package.

    python3 check_evidence.py evidence.zip [--head NUMBER:HASH] [--public-key KEY]

Give the head and the public key as they were published elsewhere. Without them the pack is only checked against
itself.
Exit status: 0 if everything follows, 1 with the first fault.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import zipfile
from collections.abc import Iterator
from itertools import groupby
from typing import Any

# Ed25519 (RFC 8032, 5.1): the curve -x² + y² = 1 + d x² y² over the integers modulo P; its base point has order L.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)


Point = tuple[int, int, int, int]

# Where an entry has the hash of what it took from lots.
LOTS_HASH = 20
NO_MOVES: tuple[tuple[int, int], list[tuple[str, int]]] = ((0, 0), [])


class Fault(Exception):
    """A row of the pack is wrong."""


def add(a: Point, b: Point) -> Point:
    """Adds two points, each as X, Y, Z, T with x = X/Z, y = Y/Z, xy = T/Z."""
    e = (a[1] - a[0]) * (b[1] - b[0]) % P
    f = (a[1] + a[0]) * (b[1] + b[0]) % P
    g = 2 * a[3] * b[3] * D % P
    h = 2 * a[2] * b[2] % P
    i, j, k, m = f - e, h - g, h + g, f + e
    return i * j % P, k * m % P, j * k % P, i * m % P


def multiply(number: int, point: Point) -> Point:
    """Adds a point to itself so many times."""
    product: Point = (0, 1, 1, 0)
    while number:
        if number & 1:
            product = add(product, point)
        point = add(point, point)
        number >>= 1
    return product


def decode_point(data: bytes) -> Point:
    """Reads a point: 255 bits of y and the lowest bit of x."""
    number = int.from_bytes(data, "little")
    y, sign = number & ((1 << 255) - 1), number >> 255
    if y >= P:
        raise Fault("a point of the signature is malformed")
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P or (x == 0 and sign):
        raise Fault("a point of the signature is malformed")
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def is_signed(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Returns whether the key signed the message."""
    base = decode_point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
    s = int.from_bytes(signature[32:], "little")
    challenge = hashlib.sha512(signature[:32] + public_key + message).digest()
    right = add(
        decode_point(signature[:32]),
        multiply(int.from_bytes(challenge, "little") % L, decode_point(public_key)),
    )
    left = multiply(s, base)
    return (
        s < L
        and (left[0] * right[2] - right[0] * left[2]) % P == 0
        and (left[1] * right[2] - right[1] * left[2]) % P == 0
    )


def check_heads(
    pack: zipfile.ZipFile, known: tuple[int, str] | None, trusted: list[str] | None
) -> tuple[dict[tuple[int, int], str], int, str]:
    """Checks heads, signatures and accounts. Returns {(account, version): hash} of what they cover."""
    covered: dict[tuple[int, int], str] = {}
    roots: dict[int, hashlib._Hash] = {}
    with pack.open("accounts.txt") as lines:
        for line in lines:
            head, account, version, digest = line.decode().split()
            covered[int(account), int(version)] = digest
            roots.setdefault(int(head), hashlib.sha256()).update(f"{account} {version} {digest}\n".encode())
    previous, number = "", 0
    with pack.open("heads.jsonl") as lines:
        for number, line in enumerate(lines, start=1):
            head = json.loads(line)
            signed = head["statement"].encode()
            facts = json.loads(signed)
            if facts["number"] != number:
                raise Fault(f"head {number} is missing")
            if facts["previous"] != previous:
                raise Fault(f"head {number} does not follow from the head before")
            if trusted and facts["public_key"] not in trusted:
                raise Fault(f"head {number} is signed with another key: {facts['public_key']}")
            if not is_signed(bytes.fromhex(facts["public_key"]), signed, bytes.fromhex(head["signature"])):
                raise Fault(f"head {number} has a wrong signature")
            if roots.get(number, hashlib.sha256()).hexdigest() != facts["root"]:
                raise Fault(f"head {number}: its accounts are not those that it signed")
            previous = hashlib.sha256(signed).hexdigest()
            if known and known[0] == number and known[1] != previous:
                raise Fault(f"head {number} is not the published one")
    if known and known[0] > number:
        raise Fault(f"head {known[0]} was published and is missing")
    return covered, number, previous


class LotMoves:
    """The moves of lots of the pack, entry by entry."""

    def __init__(self, pack: zipfile.ZipFile) -> None:
        self.count = 0
        self._account = 0
        # What is left at the most of the credit that each entry of the account brought.
        self._lots: dict[str, int] = {}
        self._rows = self._read(pack)
        self._next, self._moves = next(self._rows, NO_MOVES)

    @staticmethod
    def _read(pack: zipfile.ZipFile) -> Iterator[tuple[tuple[int, int], list[tuple[str, int]]]]:
        with pack.open("lot_moves.txt") as lines:
            rows = (line.decode().split() for line in lines)
            for (account, version), moves in groupby(rows, key=lambda row: (int(row[0]), int(row[1]))):
                yield (account, version), [(lot, int(amount)) for _, _, lot, amount in moves]

    def check(self, name: str, entry: list[Any]) -> None:
        """Checks the moves of the next entry against its hash, its amount, and what the account's lots have left."""
        _, account, version, entry_id, _, amount, *_ = entry
        if account != self._account:
            self._account, self._lots = account, {}
        moves: list[tuple[str, int]] = []
        if self._next == (account, version):
            moves = self._moves
            self._next, self._moves = next(self._rows, NO_MOVES)
        text = ",".join(f"{lot} {part}" for lot, part in moves)
        covered = entry[LOTS_HASH] if len(entry) > LOTS_HASH else None
        if covered != (hashlib.sha256(text.encode()).hexdigest() if moves else None):
            raise Fault(f"{name} moved other lots")
        moved = sum(part for _, part in moves)
        if moves and (moved != amount if amount < 0 else moved > amount):
            raise Fault(f"{name}: it moved {moved} of lots, its amount is {amount}")
        for lot, part in moves:
            self._lots[lot] = self._lots.get(lot, 0) + part
            if self._lots[lot] < 0:
                raise Fault(f"{name} took more from lot {lot} than it had")
        if amount > 0:
            self._lots[entry_id] = amount
        self.count += len(moves)

    def check_end(self) -> None:
        """Checks that no moves of another entry are left."""
        if self._moves:
            raise Fault("entry {1} of account {0}, which moved lots, is missing".format(*self._next))


def check_entries(pack: zipfile.ZipFile, covered: dict[tuple[int, int], str]) -> tuple[int, int]:
    """Checks that each account's entries follow from each other, and match the heads that cover them, and their lots.

    Returns how many entries and how many moves of lots there are.
    """
    account, version, balance = 0, 0, 0
    digest: str | None = None
    count = 0
    missing = set(covered)
    lot_moves = LotMoves(pack)
    with pack.open("entries.jsonl") as lines:
        for line in lines:
            text = line.rstrip(b"\n")
            entry = json.loads(text)
            before, of_account, number, _, _, amount, balance_after, *_ = entry
            if of_account != account:
                account, version, balance, digest = of_account, 0, 0, None
            version, balance, count = version + 1, balance + amount, count + 1
            name = f"entry {number} of account {account}"
            if number != version:
                raise Fault(f"entry {version} of account {account} is missing")
            if before != digest:
                raise Fault(f"{name} does not follow from the entry before")
            if balance_after != balance:
                raise Fault(f"{name}: its balance is {balance_after}, the amounts add up to {balance}")
            digest = hashlib.sha256(text).hexdigest()
            if covered.get((account, version), digest) != digest:
                raise Fault(f"{name} is not the one that a head covers")
            missing.discard((account, version))
            lot_moves.check(name, entry)
    if missing:
        raise Fault("entry {1} of account {0}, which a head covers, is missing".format(*min(missing)))
    lot_moves.check_end()
    return count, lot_moves.count


def read_covered(pack: zipfile.ZipFile, name: str) -> dict[int, tuple[int, str]]:
    """Returns {entry: (head, hash)} of what the heads cover of a chain."""
    covered = {}
    with pack.open("heads.jsonl") as lines:
        for line in lines:
            facts = json.loads(json.loads(line)["statement"])
            if facts.get(f"{name}_entries"):
                covered[facts[f"{name}_entries"]] = (facts["number"], facts[f"{name}_hash"])
    return covered


class HeadsOfChain:
    """The hashes of the chain of card or of audit entries that heads cover."""

    def __init__(self, pack: zipfile.ZipFile, name: str) -> None:
        self.name = name
        self.covered = read_covered(pack, name)

    def check(self, number: int, digest: str) -> None:
        """Checks the hash of an entry."""
        head, wanted = self.covered.pop(number, (0, digest))
        if wanted != digest:
            raise Fault(f"{self.name} entry {number} is not the one that head {head} covers")

    def check_end(self, count: int) -> None:
        """Checks that the chain of so many entries reaches as far as the heads."""
        if self.covered:
            last = min(self.covered)
            raise Fault(
                f"{self.name} entry {count + 1} is missing, head {self.covered[last][0]} covers {last} entries"
            )


def check_card_entries(pack: zipfile.ZipFile) -> int:
    """Checks that the entries of card money follow from each other, and match the heads that cover them."""
    heads = HeadsOfChain(pack, "card")
    digest: str | None = None
    count = 0
    totals: dict[tuple[str, str], int] = {}
    with pack.open("card_entries.jsonl") as lines:
        for count, line in enumerate(lines, start=1):
            text = line.rstrip(b"\n")
            before, number, _, kind, amount, _, total, _, of_object, _ = json.loads(text)
            if number != count:
                raise Fault(f"card entry {count} is missing")
            if before != digest:
                raise Fault(f"card entry {count} does not follow from the entry before")
            totals[of_object, kind] = totals.get((of_object, kind), 0) + amount
            if total != totals[of_object, kind]:
                raise Fault(
                    f"card entry {count}: its total is {total}, the amounts add up to {totals[of_object, kind]}"
                )
            digest = hashlib.sha256(text).hexdigest()
            heads.check(count, digest)
    heads.check_end(count)
    return count


def read_erasures(pack: zipfile.ZipFile) -> set[tuple[int, str]]:
    """Returns {(audit entry, hash of what is left of it)} as the erasures of customers name them.

    An erasure follows the deletion of the customer's account, happens once for a customer, and names older entries.
    """
    deleted: set[str] = set()
    erased: set[str] = set()
    named: set[tuple[int, str]] = set()
    with pack.open("audit_entries.jsonl") as lines:
        for line in lines:
            if b'"customer.deleted"' not in line and b'"customer.erased"' not in line:
                continue
            _, number, _, action, kind, customer, changes, *_ = json.loads(line)
            if (action, kind) == ("customer.deleted", "customer"):
                deleted.add(customer)
            elif (action, kind) == ("customer.erased", "customer") and customer in deleted - erased:
                erased.add(customer)
                places = json.loads(changes).get("audit_entries", [None, []])[1]
                named.update((place, digest) for place, digest in places if place < number)
    return named


def check_audit_entries(pack: zipfile.ZipFile) -> tuple[int, int]:
    """Checks that the entries of the audit trail follow from each other, and match the heads that cover them.

    Of an entry that an erasure changed, the entry after it keeps the hash that it had. Returns how many entries there
    are, and how many of them an erasure changed.
    """
    heads = HeadsOfChain(pack, "audit")
    erased = read_erasures(pack)
    digest: str | None = None
    count, changed = 0, 0
    with pack.open("audit_entries.jsonl") as lines:
        for count, line in enumerate(lines, start=1):
            text = line.rstrip(b"\n")
            before, number, *_ = json.loads(text)
            if number != count:
                raise Fault(f"audit entry {count} is missing")
            if before != digest:
                if not before or not digest or (count - 1, digest) not in erased:
                    raise Fault(f"audit entry {count} does not follow from the entry before")
                digest, changed = before, changed + 1
            if digest:
                heads.check(count - 1, digest)
            digest = hashlib.sha256(text).hexdigest()
    if digest:
        heads.check(count, digest)
    heads.check_end(count)
    return count, changed


def main() -> int:
    """Checks the pack that the command line names, and prints what was checked or the first fault."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pack")
    parser.add_argument("--head", metavar="NUMBER:HASH", help="a head that was published elsewhere")
    parser.add_argument("--public-key", action="append", metavar="KEY", help="trust only this key; may be repeated")
    options = parser.parse_args()
    number, _, digest = (options.head or "").partition(":")
    try:
        with zipfile.ZipFile(options.pack) as pack:
            covered, heads, last = check_heads(pack, (int(number), digest) if number else None, options.public_key)
            count, move_count = check_entries(pack, covered)
            card_count = check_card_entries(pack)
            audit_count, changed = check_audit_entries(pack)
    except Fault as fault:
        print(f"FAULT: {fault}")
        return 1
    print(
        f"sound: {count} entries, {move_count} moves of lots, {card_count} card entries, {audit_count} audit entries"
        f" ({changed} changed by an erasure); {heads} heads" + (f", the last is {heads}:{last}" if heads else "")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

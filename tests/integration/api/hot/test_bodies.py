"""The decoders of the hot path read bodies of v1 as the full path does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import product

import pytest

from fyke.api.hot.path import MAX_BODY
from support.both_paths import BothPaths
from support.hot_reads import DETAIL, LIST, ROWS, Seeded, with_body

pytestmark = pytest.mark.anyio

ACCOUNT = "/api/v1/account/info"
# JSON texts of numbers, and texts that are none
NUMBERS = (
    *("0", "-0", "1", "2", "-1", "01", "+1", "1.0", "2.0", "-0.0", "1.5", "0.1e1", "10e-1"),
    *("1e0", "1E1", "1e+0", "1e", ".5", "1.", "1e400", "-1e400", "1e-400", "1e30", "NaN"),
    *(str(2**bits + more) for bits in (31, 53, 63, 64) for more in (-1, 0)),
    *(str(-(2**63)), "9007199254740993.0", str(10**30), "1" * 400, "0x1", "Infinity"),
    *("true", "null", '"1"', '""', "[]", "{}", "[1]", "1 2"),
)
BLANKS = ("", " ", "\n", "\t", "\r\n", "\x0b", "\x00", "\N{NO-BREAK SPACE}", "\ufeff")


def members(names: tuple[str, ...], own: str = "") -> Iterator[str]:
    """Objects with these numeric members in many ways, each with the member ``own``."""
    first = f"{own}," if own else ""
    for name, number in product(names, NUMBERS):
        yield f'{{{first}"{name}":{number}}}'
    for one, other in product(names, names):  # duplicates, too
        yield f'{{{first}"{one}":1,"{other}":2}}'
        yield f'{{{first}"{one}":1,"{other}":null}}'
        yield f'{{{first}"{one}":"x","{other}":1}}'
    for name in names:
        escaped = name.replace("_", "\\u005f").replace("s", "\\u0073", 1)
        yield f'{{{first}"{escaped}":2}}'
        yield f'{{{first}"{name.upper()}":2}}'
        yield f'{{{first}"{name} ":2}}'
        yield f'{{{first}"{name}":2,}}'
        yield f'{{{first}"{name}":2 /* two */}}'
        yield f"{{{first}'{name}':2}}"


def around(text: str) -> Iterator[bytes]:
    """A text with characters around and between its tokens."""
    for blank in BLANKS:
        for changed in (blank + text, text + blank, text.replace("{", "{" + blank, 1)):
            yield changed.encode()
        yield text.replace(":", f"{blank}:{blank}").encode()
    yield text.encode() + b"x"
    yield text.encode() + b"\xff"
    yield text.encode() * 2
    yield from (text.encode(coding) for coding in ("utf-16", "utf-16-le", "utf-32"))
    for length in (MAX_BODY, MAX_BODY + 1):
        yield text.encode().ljust(length)


async def taken(both: BothPaths, path: str, key: str, bodies: Iterable[bytes]) -> int:
    """Compare the answers to these bodies; how many of them the hot path gave."""
    before = both.taken
    for body in bodies:
        await both.check(with_body(path, body, key))
    return both.taken - before


def members_of(path: str, seeded: Seeded) -> Iterator[bytes]:
    """``members`` for an operation; details have no number."""
    own = "" if path == LIST else f'"run_slug":{json.dumps(seeded.runs["succeeded"])}'
    names = {LIST: ("page_index", "page_size", "status"), ROWS: ("page_index", "page_size")}
    yield from (text.encode() for text in members(names.get(path, ("page_index",)), own))


@pytest.mark.parametrize("path", [LIST, ROWS, DETAIL])
async def test_numbers(common: Seeded, both: BothPaths, path: str) -> None:
    assert await taken(both, path, common.app.owner_key, members_of(path, common)) >= 20


@pytest.mark.parametrize("path", [LIST, ROWS, DETAIL, ACCOUNT])
async def test_characters_around_a_body(common: Seeded, both: BothPaths, path: str) -> None:
    own = json.dumps({"run_slug": common.runs["succeeded"]})
    text = {LIST: '{"page_size":2}', ACCOUNT: "{}"}.get(path, own)
    least = 1 if path == ACCOUNT else 10
    assert await taken(both, path, common.app.owner_key, around(text)) >= least


@pytest.mark.parametrize("path", [LIST, ROWS, DETAIL, ACCOUNT])
async def test_bodies_in_pieces(common: Seeded, both: BothPaths, path: str) -> None:
    own = json.dumps({"run_slug": common.runs["succeeded"]}).encode()
    body = {LIST: b'{"page_size":2,"status":3}', ACCOUNT: b"{}"}.get(path, own)
    for cut in range(len(body) + 1):
        pieces = (body[:cut], body[cut:])
        await both.check(with_body(path, body, common.app.owner_key, pieces=pieces))
    assert both.taken == len(body) + 1


@pytest.mark.parametrize("path", [ROWS, DETAIL])
async def test_ids_of_runs(common: Seeded, both: BothPaths, path: str) -> None:
    run = common.runs["succeeded"]
    texts = [f'"{blank}{run}{blank}"'.encode() for blank in BLANKS]
    texts += [json.dumps(f"{blank}{run}{blank}").encode() for blank in BLANKS]
    texts += [b'"%s"' % "".join(f"\\u{ord(char):04x}" for char in run).encode()]
    texts += [b'"\xc3"', b'"\xed\xa0\x80"', b'"\\ud800\\u0020"', b"1.0", b"null"]
    bodies = [b'{"run_slug":' + text + b"}" for text in texts]
    assert await taken(both, path, common.app.owner_key, bodies) >= 10

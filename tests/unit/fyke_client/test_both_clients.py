"""The clients for Python and JavaScript have the same methods with the same arguments."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import fyke_client
from fyke_client import ApiError, AsyncFyke, Fyke
from fyke_client._rows import ExportSelection, RowSelection

ROOT = Path(__file__).parents[3]
DECLARED = (ROOT / "clients" / "javascript" / "src" / "index.d.ts").read_text()
PAGE = ROOT / "docs" / "reference" / "clients.md"

# What only one of them has; the page says why.
METHODS_OF_PYTHON = {
    *("to_pandas", "to_polars", "close"),
    *("run_page", "search_runs", "task_page", "results", "log_tail", "log_after"),
    *("raw_rows", "download", "diagnosis", "start_and_wait"),
}
NAMES_OF_PYTHON = {"AsyncFyke", "AsyncFykeAdmin", "FykeAdmin", "Event"}
NAMES_OF_JAVASCRIPT = {"packFolder"}
# A signal is how JavaScript limits the time of a call. Both count time in their usual unit.
ARGUMENTS_OF_JAVASCRIPT = {"signal"}
ARGUMENTS_OF_PYTHON = {"timeout"}
OTHER_UNITS = {"extra_seconds": "extraTime"}


def in_javascript(name: str) -> str:
    """A name of Python as JavaScript spells it."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def body_of(kind: str, name: str) -> str:
    found = re.search(
        rf"^export (?:declare )?{kind} {name}\b[^{{]*{{(.*?)^}}", DECLARED, re.MULTILINE | re.DOTALL
    )
    assert found is not None, name
    return re.sub(r"/\*\*.*?\*/", "", found[1], flags=re.DOTALL)


def members(interface: str) -> set[str]:
    """The members of an interface, with those that it extends."""
    head = re.search(
        rf"^export interface {interface}(?: extends ([^{{]+))? {{", DECLARED, re.MULTILINE
    )
    assert head is not None, interface
    found = set(re.findall(r"^  (\w+)\??:", body_of("interface", interface), re.MULTILINE))
    return found.union(*(members(name) for name in re.findall(r"\w+", head[1] or "")))


def declared_methods() -> dict[str, set[str]]:
    """The methods of JavaScript's client: name to arguments, those of its options among them."""
    found = {}
    pattern = r"^  (\w+)(?:<[^(]*>)?\((.*?)\)(?:: [\w<]|;)"
    for name, arguments in re.findall(pattern, body_of("class", "Fyke"), re.MULTILINE | re.DOTALL):
        names: set[str] = set()
        for each, kind in re.findall(r"(\w+)\??: (Record<[^>]*>|[^,]+)", arguments):
            if each in ("options", "changes"):
                names |= set(re.findall(r"(\w+):", kind))
                names = names.union(*(members(one) for one in re.findall(r"\b[A-Z]\w+", kind)))
            else:
                names.add(each)
        found[name] = names
    return found


def public(of: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(of, callable) if not name.startswith("_")}


def arguments(method: str) -> set[str]:
    """The arguments of a method of Python's client, as JavaScript spells them."""
    found: set[str] = set()
    for name, parameter in inspect.signature(getattr(Fyke, method)).parameters.items():
        kinds = {"Unpack[RowSelection]": RowSelection, "Unpack[ExportSelection]": ExportSelection}
        if selection := kinds.get(parameter.annotation):
            found |= selection.__required_keys__ | selection.__optional_keys__
        elif name != "self":
            found.add(name)
    return {OTHER_UNITS.get(name) or in_javascript(name) for name in found}


JAVASCRIPT = declared_methods()
BOTH = sorted(public(Fyke) - METHODS_OF_PYTHON)


def test_the_methods_are_the_same() -> None:
    assert {in_javascript(name) for name in BOTH} == JAVASCRIPT.keys() - {"constructor"}
    assert public(Fyke) >= METHODS_OF_PYTHON


def test_both_halves_of_python_have_the_same_methods() -> None:
    assert public(AsyncFyke) - {"aclose"} == public(Fyke) - {"close"}


@pytest.mark.parametrize("method", BOTH)
def test_the_arguments_are_the_same(method: str) -> None:
    others = JAVASCRIPT[in_javascript(method)] - ARGUMENTS_OF_JAVASCRIPT
    assert arguments(method) - ARGUMENTS_OF_PYTHON - {"answerType"} == others


def test_the_names_of_the_packages_are_the_same() -> None:
    values = set(re.findall(r"^export declare (?:class|function) (\w+)", DECLARED, re.MULTILINE))
    ours = {in_javascript(name) for name in set(fyke_client.__all__) - NAMES_OF_PYTHON}
    assert ours == values - NAMES_OF_JAVASCRIPT


def test_an_error_has_the_same_members() -> None:
    error = ApiError(400, 4000, "x")
    own = {in_javascript(name) for name in vars(error) if not name.startswith("_")}
    assert own == members("ApiErrorFields")


def test_an_event_has_the_same_members() -> None:
    found = re.search(r"^export type RunEvent = (.*?);\n\n", DECLARED, re.MULTILINE | re.DOTALL)
    assert found is not None
    top = re.findall(r"[{;] (\w+):", re.sub(r"data: {.*?} }", "data: D }", found[1]))
    assert set(top) == set(fyke_client.Event._fields)


def test_the_page_lists_each_method() -> None:
    text = PAGE.read_text()
    rows = dict(re.findall(r"^\| [^|]+ \| `(\w+)` \| `(\w+)` \|", text, re.MULTILINE))
    assert rows == {name: in_javascript(name) for name in BOTH}
    rest = text.partition("## Only in Python")[2]
    assert {name for name in METHODS_OF_PYTHON if f"`{name}`" not in rest} == set()

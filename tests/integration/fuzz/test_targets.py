"""All parsers of untrusted bytes, with damaged valid inputs and with noise."""

from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.examples import examples
from support.fuzz_targets import TARGETS, WORDS

Edit = tuple[int, int, bytes]
_EDITS = st.tuples(
    st.integers(0, 4000),
    st.integers(0, 12),
    st.sampled_from(WORDS) | st.binary(max_size=12),
)


def edited(data: bytes, edit: Edit) -> bytes:
    """Replace some bytes at one position, possibly by a different number of bytes."""
    at, length, new = edit
    at %= len(data) + 1
    return data[:at] + new + data[at + length :]


def damaged(seeds: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    return st.builds(
        lambda seed, edits: reduce(edited, edits, seed),
        st.sampled_from(seeds),
        st.lists(_EDITS, max_size=8),
    )


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_parsed_or_refused(name: str) -> None:
    """The seeds themselves, and each seed truncated at every byte."""
    target = TARGETS[name]
    cut = 0
    for seed in target.seeds:
        for end in range(1, len(seed) + 1, 1 + len(seed) // 100):
            target.run(seed[:end])
            cut += 1
        target.run(seed)
    assert cut >= len(target.seeds)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", TARGETS)
def test_no_input_crashes_a_parser(name: str) -> None:
    target = TARGETS[name]
    tried = 0

    @examples(60, 4_000)
    @given(damaged(target.seeds) | st.binary(min_size=1, max_size=300))
    def run_target(data: bytes) -> None:
        nonlocal tried
        tried += 1
        target.run(data[: target.size])

    run_target()
    assert tried >= 60

from __future__ import annotations

from urllib.parse import urlsplit

from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from fyke.console.run_filters import COLUMNS, DEFAULT_COLUMNS, ListAddress, read
from fyke.domain.runs.search_terms import SearchTerms


def read_back(path: str) -> ListAddress:
    query = QueryParams(urlsplit(path).query)
    return read(query, query.getlist("col"))


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zs"]), max_size=30)


@given(
    st.builds(SearchTerms, **dict.fromkeys(SearchTerms.__dataclass_fields__, WORDS.map(str.strip))),
    st.sets(st.sampled_from(COLUMNS)),
)
def test_an_address_can_be_read_back(terms: SearchTerms, columns: set[str]) -> None:
    chosen = tuple(column for column in COLUMNS if column in columns)
    written = ListAddress(terms, chosen)
    parsed = read_back(written.path("5-cursor"))
    assert (parsed.terms, parsed.columns, parsed.cursor) == (terms, chosen, "5-cursor")
    assert read_back(f"/runs?{written.query()}").terms == terms


def test_a_length_of_time_replaces_both_dates() -> None:
    dates = "from=2026-11-01&until=2026-11-02"
    chosen = read_back(f"/runs?{dates}&range=24h")
    assert (chosen.terms.since, chosen.terms.until, chosen.range) == ("24h", "", "24h")
    assert chosen.path() == "/runs?from=24h"
    assert read_back(f"/runs?{dates}&range=").terms == SearchTerms()
    assert read_back(f"/runs?{dates}&range=nonsense").range == ""
    custom = read_back(f"/runs?{dates}&range=custom")
    assert (custom.terms.since, custom.terms.until) == ("2026-11-01", "2026-11-02")
    assert custom.range == "custom"
    assert read_back("/runs?from=24h&until=2026-11-02").range == "custom"


def test_default_filters_are_not_in_the_address() -> None:
    assert ListAddress(SearchTerms()).path() == "/runs"
    assert ListAddress(SearchTerms(), everything=True).path() == "/runs?all=1"
    assert ListAddress(SearchTerms(since="2026-11-01")).path() == "/runs?from=2026-11-01"
    assert ListAddress(SearchTerms(state="failed"), ("task",)).search() == "state=failed"
    assert read_back("/runs?col=nonsense").columns == ()
    assert read_back("/runs").columns == DEFAULT_COLUMNS

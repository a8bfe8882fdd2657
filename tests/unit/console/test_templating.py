"""The template environment."""

from __future__ import annotations

import pytest

from fyke.console.statics import Statics
from fyke.console.templating import make_environment
from fyke.console.texts import LANGUAGES, use_language

ROWS = '{{ ngettext("%(num)s row", "%(num)s rows", n) }}'


@pytest.mark.parametrize(("n", "text"), [(1, "1 row"), (0, "0 rows"), (300_000, "300,000 rows")])
def test_counts_in_plural_texts_have_separators(n: int, text: str) -> None:
    assert make_environment(Statics()).from_string(ROWS).render(n=n) == text


@pytest.mark.parametrize("name", ["num", "number", "context", "singular", "plural"])
def test_a_template_can_give_values_of_any_name(name: str) -> None:
    template = '{{ ngettext("", "%(NAME)s rows", 2, NAME="<b>") }}'.replace("NAME", name)
    assert make_environment(Statics()).from_string(template).render() == "&lt;b&gt; rows"


def test_counts_are_written_as_the_language_does() -> None:
    template = make_environment(Statics()).from_string(ROWS)
    with use_language(LANGUAGES[1]):
        assert "300,000" in template.render(n=300_000)

"""The console's copies of English texts of the domain."""

from __future__ import annotations

from fyke.console import catalog_labels
from fyke.domain.catalog.categories import DEFAULT
from fyke.domain.workers.templates import TEMPLATES


def test_every_text_of_the_domain_is_collected_for_translation() -> None:
    assert list(catalog_labels.CATEGORIES) == [entry.partition(":")[2] for entry in DEFAULT]
    assert {each.name: (each.title, each.text) for each in TEMPLATES} == catalog_labels.TEMPLATES

"""The console's texts for the catalog and for values of the model."""

from __future__ import annotations

from fyke.console import catalog_labels
from fyke.domain.catalog.categories import DEFAULT
from fyke.domain.workers.templates import TEMPLATES
from fyke.model.run import Outcome
from fyke.model.worker import Language
from support.views import environment


def test_every_text_of_the_domain_is_collected_for_translation() -> None:
    assert list(catalog_labels.CATEGORIES) == [entry.partition(":")[2] for entry in DEFAULT]
    assert {
        template.name: (template.title, template.text) for template in TEMPLATES
    } == catalog_labels.TEMPLATES


def test_every_outcome_and_every_language_has_a_label() -> None:
    labels = environment().get_template("parts/data.html").make_module()
    assert set(labels.outcome_labels) == set(Outcome)  # type: ignore[attr-defined]  # set in it
    assert set(labels.language_labels) == set(Language)  # type: ignore[attr-defined]  # set in it

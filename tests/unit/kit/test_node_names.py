"""Names of pools and labels, as settings have them; ``test_rules`` has the rules."""

from __future__ import annotations

import pytest

from fyke.kit.node_names import checked_labels, checked_name


def test_good_names_and_labels_are_unchanged() -> None:
    assert [checked_name("eu-1.rack"), checked_name("")] == ["eu-1.rack", ""]
    assert checked_labels({"gpu": "yes"}) == {"gpu": "yes"}


def test_bad_names_and_labels_are_refused_with_the_rule() -> None:
    with pytest.raises(ValueError, match="must have 1 to 63 lower-case letters"):
        checked_name("EU")
    with pytest.raises(ValueError, match="the value of the label gpu has"):
        checked_labels({"gpu": "a b"})

"""The names of machines."""

from __future__ import annotations

from fyke.reasons import Reason, ReasonCode, machine_name, machine_names, sentence

OWN = "01JG0000000000000000000000", "01JG0000000000000000000001"


def test_machines_of_the_installation_have_one_name_and_nodes_their_own() -> None:
    assert machine_names(["n1", *OWN, "n1"]) == ["n1", "this installation"]
    assert machine_name("") == ""
    assert machine_name(OWN[0], str.upper) == "THIS INSTALLATION"


def test_sentences_name_machines() -> None:
    one = Reason.of(ReasonCode.NO_RUNNER, node=OWN[0])
    assert sentence(one).startswith("Fyke is being stopped on this installation")
    several = Reason.of(ReasonCode.NO_NODE, pool="eu", stopping=3, nodes=[*OWN, "n1"])
    assert sentence(several).endswith("(this installation, n1)")

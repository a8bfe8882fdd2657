"""The names of the machines that run Workers, as people read them.

A node has the name that it joined with. A machine of the installation itself has only an id, which
says nothing to a reader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable


def is_own_machine(name: str) -> bool:
    """Whether a machine of the installation itself has this name: a ULID, whose capital letters
    are in no name of a node.
    """
    from fyke.kit.ids import is_ulid  # commands without a name do not need it

    return is_ulid(name)


def machine_name(name: str, translate: Callable[[str], str] = str) -> str:
    """The name of a machine for people; "" stays."""
    return translate(OWN_MACHINE) if is_own_machine(name) else name


def machine_names(names: Iterable[str], translate: Callable[[str], str] = str) -> list[str]:
    """The names for people, each once, in the same order."""
    return list(dict.fromkeys(machine_name(name, translate) for name in names))


def _(message: str) -> str:
    return message


OWN_MACHINE = _("this installation")

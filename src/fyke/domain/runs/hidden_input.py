"""The input of a run without its secrets, and the search for these in its output.

All of it takes time that grows with the input and is in the hands of strangers: it is called in
parser processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from fyke.domain.runs.summary import summary_of_text
from fyke.domain.secrets.encodings import encodings
from fyke.domain.secrets.masking import Masker
from fyke.domain.workers.secret_inputs import (
    ALL_HIDDEN,
    HIDDEN,
    find_secrets,
    hide_named,
    secret_names,
)

MAX_ENCODINGS = 400  # of all values; each costs a search through all output
INDENTED_BYTES = 64 * 1024  # of an input; indenting a larger, deep one would make it huge

_HEAD, _END = b'{"input":', b"}"


@dataclass(frozen=True, slots=True)
class InputSecrets:
    """The secrets in the input of a run. ``names`` are those of fields that ask for one, in lower
    case. ``others``: how many are hidden in the input, but cannot be searched for. ``known`` is
    False if the input or its schema cannot be read: then its secrets may be anywhere.
    """

    names: frozenset[str]
    masker: Masker
    others: int = 0
    known: bool = True


def unknown_secrets() -> InputSecrets:
    return InputSecrets(frozenset(), Masker({}), known=False)


def secrets_of(input_json: str, schema_json: str, declared: tuple[str, ...]) -> InputSecrets:
    """The secrets in an input; ``declared`` are names that the version declares."""
    names = secret_names(schema_json, declared)
    found = find_secrets(input_json, names)
    if found is None:
        return unknown_secrets()
    return InputSecrets(names, masker_of(found.values), found.others)


def masker_of(values: Mapping[str, str]) -> Masker:
    """Searches for the values in all encodings, as far as these are at most ``MAX_ENCODINGS``; for
    the others as they are, and in base64.
    """
    full: dict[str, str] = {}
    plain: dict[str, str] = {}
    room = MAX_ENCODINGS
    for name, value in values.items():
        count = len(encodings(value)) if room else 1
        if count <= room:
            full[name] = value
            room -= count
        else:
            plain[name] = value
    return Masker(full, plain)


def shown_input(input_json: str, secrets: InputSecrets) -> bytes:
    """The input as JSON without its secrets, wherever in it they are."""
    text = hide_named(input_json, secrets.names) if secrets.known else ALL_HIDDEN
    try:
        # a masker reads objects only
        masked = secrets.masker.row(_HEAD + text.encode("utf-8", "replace") + _END)
    except (msgspec.MsgspecError, RecursionError):
        return ALL_HIDDEN.encode()
    shown = masked[len(_HEAD) : -len(_END)]
    return msgspec.json.format(shown, indent=2) if len(input_json) < INDENTED_BYTES else shown


def hidden_texts(
    texts: Sequence[str], input_json: str, schema_json: str, declared: tuple[str, ...]
) -> list[str]:
    """Texts without the secrets in an input, as wholes if these are not known."""
    secrets = secrets_of(input_json, schema_json, declared)
    if not secrets.known:
        return all_hidden(texts)
    # names of sites, which are in lower case, are texts too
    return [secrets.masker.host(secrets.masker.text(text)) for text in texts]


def all_hidden(texts: Sequence[str]) -> list[str]:
    return [HIDDEN if text else "" for text in texts]


def shown_summaries(inputs: Sequence[str], secrets: InputSecrets) -> list[str]:
    """Inputs in one line each without the secrets, which are masked before a line is cut."""
    if not secrets.known:
        return all_hidden(inputs)
    return [summary_of_text(shown_input(text, secrets).decode()) for text in inputs]

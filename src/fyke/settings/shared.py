"""The settings that must agree on all machines of an installation, by their marks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from fyke.errors import Conflict
from fyke.settings import Settings
from fyke.settings.marks import Shared

MARKS: Mapping[str, Shared] = {
    name: mark
    for name, field in Settings.model_fields.items()
    for mark in field.metadata
    if isinstance(mark, Shared)
}
SECRET = frozenset(name for name, mark in MARKS.items() if mark.is_secret)
# a node gets these from its installation, or does not use them
NOT_OF_NODES = frozenset(name for name, mark in MARKS.items() if mark.nodes != "have their own")


def shared_values(settings: Settings) -> dict[str, Any]:
    """The values in JSON types, by name."""
    return settings.model_dump(mode="json", include=set(MARKS))


class _GivenSettings(Settings):
    """Settings with the given values and the defaults of the others."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *others: PydanticBaseSettingsSource,
        **more: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def with_values(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """The settings with other values, in JSON types, of those that must agree. Names that this
    release does not know are ignored. Raises ``Conflict`` for values that it does not accept; the
    message has no value, because some are passwords.
    """
    known = {name: value for name, value in values.items() if name in MARKS}
    try:
        given = _given(settings, known)
    except ValidationError as error:
        names = ", ".join(sorted(_names(error)))
        raise Conflict(
            f"The installation has settings that this release does not accept: {names}",
            remedy="use the same release of Fyke on all machines",
        ) from None
    return settings.model_copy(update={name: getattr(given, name) for name in known})


def differing(settings: Settings, values: Mapping[str, Any]) -> list[str]:
    """The names whose values are not equal. Names that only one of them has do not differ."""
    known = {name: value for name, value in values.items() if name in MARKS}
    try:
        other = _given(settings, known)
    except ValidationError as error:  # values of a later release
        bad = _names(error)
        rest = {name: value for name, value in known.items() if name not in bad}
        return sorted({*differing(settings, rest), *bad})
    return sorted(name for name in known if getattr(settings, name) != getattr(other, name))


def _given(settings: Settings, known: Mapping[str, Any]) -> Settings:
    return _GivenSettings(home=settings.home, **known)


def _names(error: ValidationError) -> set[str]:
    return {str(problem["loc"][0]) for problem in error.errors(include_input=False)}


def for_node(settings: Settings) -> Settings:
    """The settings of a node: its own ones, and the defaults of the others."""
    fields = Settings.model_fields
    defaults = {name: fields[name].get_default(call_default_factory=True) for name in NOT_OF_NODES}
    return settings.model_copy(update=defaults)

"""Validation of a worker's page: title, description, categories and icon."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from fyke.errors import InvalidFields
from fyke.model.worker import WorkerPage

MAX_TITLE = 200
MAX_DESCRIPTION = 2000
MAX_CATEGORIES = 20
MAX_CATEGORY = 2**31 - 1
MAX_ICON = 2000
MAX_NOTICE = 500


@dataclass(frozen=True, slots=True)
class PageChange:
    """Changes of the page by a publisher; None keeps the current value, or the project's."""

    title: str | None = None
    description: str | None = None
    categories: tuple[int, ...] | None = None
    icon: str | None = None

    def check(self) -> None:
        """Raise ``InvalidFields`` for the first field that breaks its rule."""
        _check_text("title", self.title, MAX_TITLE)
        _check_text("description", self.description, MAX_DESCRIPTION)
        if self.categories:
            _check_categories(self.categories)
        if self.icon:
            _check_icon(self.icon)

    def applied_to(self, page: WorkerPage) -> WorkerPage:
        """Return ``page`` with the changes. The title ``""`` is ignored."""
        return WorkerPage(
            title=self.title or page.title,
            description=page.description if self.description is None else self.description,
            categories=page.categories if self.categories is None else distinct(self.categories),
            icon=page.icon if self.icon is None else self.icon,
        )

    def replacing(self, page: WorkerPage) -> WorkerPage:
        """Return a page of these values only: those not given are empty, except the title."""
        return PageChange(
            self.title, self.description or "", self.categories or (), self.icon or ""
        ).applied_to(page)


def distinct(numbers: Iterable[int]) -> tuple[int, ...]:
    """Return the numbers in order, without duplicates."""
    return tuple(dict.fromkeys(numbers))


def checked_notice(reason: str) -> str:
    """Return the notice of a version in one line. Raise ``InvalidFields``."""
    _check_text("reason", reason, MAX_NOTICE)
    return " ".join(reason.split())


def _check_text(field: str, text: str | None, limit: int) -> None:
    if text is not None and len(text) > limit:
        raise InvalidFields(f"must be at most {limit:,} characters; shorten it", field=field)
    if text is not None and "\0" in text:
        raise InvalidFields("must not contain the character NUL", field=field)


def _check_categories(numbers: tuple[int, ...]) -> None:
    if len(numbers) > MAX_CATEGORIES:
        raise InvalidFields(
            f"must be at most {MAX_CATEGORIES} numbers; choose fewer", field="categories"
        )
    for number in numbers:
        if not 1 <= number <= MAX_CATEGORY:
            raise InvalidFields(
                f"must be numbers from 1 to {MAX_CATEGORY}, and {number} is not one",
                field="categories",
            )


def _check_icon(address: str) -> None:
    try:
        parts = urlsplit(address)
        valid = (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and not parts.username
            and not parts.password
            and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        valid = False
    if not valid or len(address) > MAX_ICON or not address.isprintable() or " " in address:
        raise InvalidFields(
            f"must be an absolute http or https URL of at most {MAX_ICON:,} characters, "
            "without a name or password in it, such as https://example.com/icon.png",
            field="icon",
        )

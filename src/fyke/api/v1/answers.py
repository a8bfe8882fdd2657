"""A count in the answers of tasks, schedules and reviews, until they are declared in ``wire``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Whole = Annotated[int, Field(ge=0)]

"""A time in the answers of the installation and of reviews, until they are declared in ``wire``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Moment = Annotated[int, Field(description="Unix seconds, 0 = never")]

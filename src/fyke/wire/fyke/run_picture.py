"""Which picture of a run's browsers is asked for."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from fyke.wire.fields import Integer, Request


class PictureQuery(Request):
    subtask: Annotated[
        Integer,
        Meta(
            ge=0,
            le=1_000_000,
            description="its number in the run, from 1; 0: the attempt that started last",
        ),
    ] = 0

"""The steps of one test call to an address."""

from __future__ import annotations

import time

from fyke.contracts.delivery import DeliveryStep, StepName

# what is done next after each step, and so what failed when no more came
_NEXT: dict[str, StepName] = {
    "": "resolve",
    "resolve": "connect",
    "connect": "send",
    "send": "answer",
}


class Trace:
    """Notes each step as it is done."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self.steps: list[DeliveryStep] = []

    def done(self, name: StepName, detail: str) -> None:
        """``name`` is over, and ``detail`` is what came of it."""
        self.steps.append(DeliveryStep(name, detail, self._elapsed()))

    def fail(self, reason: str) -> None:
        """What would have come next failed."""
        last = self.steps[-1].name if self.steps else ""
        self.steps.append(
            DeliveryStep(_NEXT.get(last, "answer"), reason, self._elapsed(), ok=False)
        )

    def _elapsed(self) -> int:
        return round((time.monotonic() - self._started) * 1000)

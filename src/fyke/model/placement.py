"""On which machines runs may run: in one pool, on machines with certain labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

DEFAULT_POOL = "default"
REGION_LABEL = "region"  # of machines whose own address is in that region


@dataclass(frozen=True, slots=True)
class Placement:
    """Which runs a runner takes: those of its ``pool`` that ask for no labels but those of its
    machine; with ``operators_only`` only runs of the operator's Workers.
    """

    pool: str = DEFAULT_POOL
    labels: tuple[tuple[str, str], ...] = ()
    operators_only: bool = False

    @property
    def region(self) -> str:
        """The region of the machine's own address, "" if that is not known."""
        return dict(self.labels).get(REGION_LABEL, "")

    def has(self, labels: Mapping[str, str]) -> bool:
        """Whether the machine has all of these labels."""
        return labels.items() <= dict(self.labels).items()


@dataclass(frozen=True, slots=True)
class PoolDemand:
    """What the machines of a pool are asked for: the subtasks that wait and may be leased now, and
    the attempts that run, each with their cores, their MiB, and how many may have a browser. The
    size of browsers is not part of it.
    """

    pool: str
    waiting: int = 0
    running: int = 0
    waiting_cpus: float = 0.0
    running_cpus: float = 0.0
    waiting_memory_mb: int = 0
    running_memory_mb: int = 0
    waiting_browsers: int = 0
    running_browsers: int = 0


ANYTHING = Placement()  # of the default pool


def labels_text(labels: Mapping[str, str]) -> str:
    """Labels as people write them: ``disk=ssd, gpu=yes``."""
    return ", ".join(f"{name}={value}" for name, value in sorted(labels.items()))

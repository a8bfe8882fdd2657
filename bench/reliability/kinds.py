"""All kinds of faults by name: of one machine, and of an installation with nodes."""

from __future__ import annotations

from reliability import faults, machine_faults

STAGES = {"machine": faults.KINDS, "nodes": machine_faults.KINDS}
KINDS = faults.KINDS | machine_faults.KINDS
AIMS = {kind.name: kind.aims for kind in KINDS.values()}

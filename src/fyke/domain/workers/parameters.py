"""Parses the ``input`` of a start: device, limits, region, and the Worker's own object.

Lenient, as the API is: every member of ``system`` is optional, numbers may be strings, and a flat
object without ``parameters`` is the Worker's own input.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from fyke.errors import InvalidRequest
from fyke.kit.node_names import label_rules, name_rule
from fyke.model.billing import MICROS
from fyke.model.browser import BrowserBlock, BrowserChoice, BrowserMode, BrowserProgram
from fyke.model.run import MAX_RETRIES, RunLimits

if TYPE_CHECKING:
    from fyke.model.worker import SystemDefaults

# memory in MB to the default CPU share in cores
DEVICES: dict[int, float] = {512: 0.125, 1024: 0.25, 2048: 0.5, 4096: 1, 8192: 2, 16384: 4}
MIN_CPUS = 0.01  # the minimum that a sandbox can enforce
MAX_CPUS = 64.0
MIN_BROWSER_MB, MAX_BROWSER_MB = 128, 65_536  # the operator may allow less
MAX_SECONDS = 7 * 24 * 3600
_REGION = re.compile(r"[A-Z]{2}")
_TARGET = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):(\d{1,5})")


@dataclass(frozen=True, slots=True)
class ParsedInput:
    """The parts of the input of a start. ``custom`` is passed to the Worker unchanged."""

    limits: RunLimits
    browser: BrowserChoice
    region: str
    egress_allow: tuple[str, ...]
    browser_block: tuple[BrowserBlock, ...]
    custom: dict[str, Any]
    pool: str = ""  # "" = the installation's default
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)


def cpus_for(memory_mb: int) -> float:
    """Return the CPU share of a memory size in ``DEVICES``, in cores."""
    return DEVICES[memory_mb]


def read_input(raw: object, defaults: SystemDefaults) -> ParsedInput:
    """Parse the ``input`` object of a start; raise ``InvalidRequest`` naming the field."""
    system, custom = parts(raw)
    memory = _memory(system, defaults)
    return ParsedInput(
        limits=RunLimits(
            cpus=_cpus(system, memory),
            memory_mb=memory,
            timeout_s=_timeout(system, defaults),
            max_charge_micros=_money(system, "max_total_charge", defaults.max_charge_micros),
            max_traffic_bytes=_megabytes(system, "max_total_traffic", defaults.max_traffic_bytes),
            browser_memory_mb=_browser_memory(system),
            max_retries=_retries(system, defaults),
        ),
        browser=_browser(system),
        region=_region(system, custom),
        egress_allow=_egress_allow(system),
        browser_block=_browser_block(system),
        custom=custom,
        pool=_pool(system),
        labels=_labels(system),
    )


def parts(raw: object) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return ``system`` and ``custom`` of an ``input``; raise ``InvalidRequest``."""
    if not isinstance(raw, dict):
        raise InvalidRequest(
            'must be an object such as {"parameters":{"system":{},"custom":{}}}', field="input"
        )
    parameters = raw.get("parameters")
    if parameters is None:
        if not raw:
            raise InvalidRequest(
                "is required: put the Worker's input in custom", field="input.parameters"
            )
        return {}, raw
    if not isinstance(parameters, dict):
        raise InvalidRequest("must be an object with system and custom", field="input.parameters")
    system = parameters.get("system")
    if system is None:
        system = {}
    if not isinstance(system, dict):
        raise InvalidRequest("must be an object", field="input.parameters.system")
    custom = parameters.get("custom")
    if custom is None:
        raise InvalidRequest(
            "is required: send {} when there is no input", field="input.parameters.custom"
        )
    if not isinstance(custom, dict):
        raise InvalidRequest("custom parameters must contain a single JSON object")
    return system, custom


def _number(value: object, field: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InvalidRequest("must be a number", field=f"input.parameters.system.{field}")
    try:
        number = Decimal(_plain(str(value)))
    except InvalidOperation:
        raise InvalidRequest("must be a number", field=f"input.parameters.system.{field}") from None
    if not number.is_finite():
        raise InvalidRequest("must be a finite number", field=f"input.parameters.system.{field}")
    return number


def _plain(text: str) -> str:
    """``text`` unless it has forms that only ``Decimal`` reads: ``1_0`` and full-width digits."""
    return text.strip() if text.isascii() and "_" not in text else ""


def _first_value(system: dict[str, Any], *names: str) -> object:
    """The value of the first member that is set, else None."""
    for name in names:
        value = system.get(name)
        if value is not None and value != "":
            return value
    return None


def _memory(system: dict[str, Any], defaults: SystemDefaults) -> int:
    value = _first_value(system, "memory", "memory_bytes")
    if value is None:
        return defaults.memory_mb
    number = _number(value, "memory")
    if number <= 0:
        raise InvalidRequest(
            "must be a positive number of MB", field="input.parameters.system.memory"
        )
    for size in DEVICES:
        if number <= size:
            return size
    raise InvalidRequest(
        f"must be at most {max(DEVICES)} MB; sizes are {', '.join(map(str, DEVICES))}",
        field="input.parameters.system.memory",
    )


def _browser_memory(system: dict[str, Any]) -> int:
    """0 for the memory that the installation gives to browsers."""
    value = _first_value(system, "browser_memory")
    if value is None:
        return 0
    number = _number(value, "browser_memory")
    if number and number < MIN_BROWSER_MB:
        raise InvalidRequest(
            f"must be at least {MIN_BROWSER_MB} MB; "
            "leave it out for the memory that all browsers get",
            field="input.parameters.system.browser_memory",
        )
    # more than the operator's maximum is refused at the start, which knows it
    return math.ceil(number if number <= MAX_BROWSER_MB else MAX_BROWSER_MB + 1)


def _browser(system: dict[str, Any]) -> BrowserChoice:
    """What the run asks of its browser besides memory."""
    mode, program = _first_value(system, "browser"), _first_value(system, "browser_program")
    modes = [mode.value for mode in BrowserMode if mode]
    programs = [program.value for program in BrowserProgram]
    if mode is not None and mode not in modes:
        raise InvalidRequest(
            f"must be one of {', '.join(modes)}", field="input.parameters.system.browser"
        )
    field = "input.parameters.system.browser_program"
    if program is not None and program not in programs:
        raise InvalidRequest(f"must be one of {', '.join(programs)}", field=field)
    choice = BrowserChoice(BrowserMode(mode or ""), BrowserProgram(program) if program else None)
    if choice.headful and choice.asked is BrowserProgram.HEADLESS_SHELL:
        raise InvalidRequest(
            "must be chromium with headful: the headless shell has no windows",
            field=field,
            remedy="leave it out",
        )
    return choice


def _cpus(system: dict[str, Any], memory_mb: int) -> float:
    value = _first_value(system, "cpus")
    if value is None:
        return cpus_for(memory_mb)
    cpus = float(_number(value, "cpus"))
    if cpus == 0:
        return cpus_for(memory_mb)
    if not MIN_CPUS <= cpus <= MAX_CPUS:
        raise InvalidRequest(
            f"must be from {MIN_CPUS:g} to {MAX_CPUS:g} cores; "
            "leave it out for the share that goes with the memory",
            field="input.parameters.system.cpus",
        )
    return cpus


def _timeout(system: dict[str, Any], defaults: SystemDefaults) -> int:
    value = _first_value(system, "execute_limit_time_seconds")
    if value is None:
        return defaults.timeout_s
    seconds = _number(value, "execute_limit_time_seconds")
    if seconds <= 0:
        return defaults.timeout_s
    if seconds > MAX_SECONDS:
        raise InvalidRequest(
            f"must be at most {MAX_SECONDS} (seven days)",
            field="input.parameters.system.execute_limit_time_seconds",
        )
    return max(1, int(seconds))


def _cap(system: dict[str, Any], field: str) -> Decimal | None:
    value = _first_value(system, field)
    if value is None:
        return None
    number = _number(value, field)
    if number < 0 or number > 10**12:
        raise InvalidRequest(
            "must be 0 (no limit) or a positive number of at most 10^12",
            field=f"input.parameters.system.{field}",
        )
    return number


def _money(system: dict[str, Any], field: str, default: int) -> int:
    cap = _cap(system, field)
    # A cap below the smallest unit is still a cap: never round it to "no limit".
    return default if cap is None else math.ceil(cap * MICROS)


def _megabytes(system: dict[str, Any], field: str, default: int) -> int:
    cap = _cap(system, field)
    return default if cap is None else math.ceil(cap * 1_000_000)


def _retries(system: dict[str, Any], defaults: SystemDefaults) -> int:
    value = _first_value(system, "max_retries")
    if value is None:
        return defaults.max_retries
    number = _number(value, "max_retries")
    if not 0 <= number <= MAX_RETRIES or number != int(number):
        raise InvalidRequest(
            f"must be a whole number from 0 (no retries) to {MAX_RETRIES}",
            field="input.parameters.system.max_retries",
        )
    return int(number)


def _region(system: dict[str, Any], custom: dict[str, Any]) -> str:
    value = _first_value(system, "proxy_region")
    if value is None:
        # Older clients send the region among the Worker's own fields, where only a valid code
        # counts.
        value = custom.get("proxy_region")
        if not isinstance(value, str) or not _REGION.fullmatch(value):
            return ""
    if not isinstance(value, str) or not _REGION.fullmatch(value):
        raise InvalidRequest(
            "must be two capital letters such as US", field="input.parameters.system.proxy_region"
        )
    return value


def _egress_allow(system: dict[str, Any]) -> tuple[str, ...]:
    value = system.get("egress_allow")
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidRequest(
            'must be a list of "host:port"', field="input.parameters.system.egress_allow"
        )
    for item in value:
        match = _TARGET.fullmatch(item)
        if not match or not 0 < int(match[2]) < 65536:
            raise InvalidRequest(
                f'"{item[:80]}" must have the form host:port',
                field="input.parameters.system.egress_allow",
            )
    return tuple(value)


def _browser_block(system: dict[str, Any]) -> tuple[BrowserBlock, ...]:
    value = system.get("browser_block")
    if value is None:
        return ()
    field, names = "input.parameters.system.browser_block", ", ".join(BrowserBlock)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidRequest(f"must be a list of some of {names}", field=field)
    unknown = next((item for item in value if item not in [*BrowserBlock]), None)
    if unknown is not None:
        raise InvalidRequest(f'"{unknown[:80]}" must be one of {names}', field=field)
    return tuple(one for one in BrowserBlock if one in value)


def _pool(system: dict[str, Any]) -> str:
    value = _first_value(system, "pool")
    if value is None:
        return ""
    field = "input.parameters.system.pool"
    if not isinstance(value, str):
        raise InvalidRequest("must be the name of a pool of nodes", field=field)
    if rule := name_rule(value):
        raise InvalidRequest(rule, field=field)
    return value


def _labels(system: dict[str, Any]) -> dict[str, str]:
    """An object of texts, or one text such as ``gpu=yes, disk=ssd``."""
    value = _first_value(system, "labels")
    field = "input.parameters.system.labels"
    rule = 'must be an object of texts such as {"gpu": "yes"}'
    if isinstance(value, str):
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        if not all(sign for _, sign, _ in pairs):
            raise InvalidRequest("must have the form name=value, separated by commas", field=field)
        value = {name.strip(): text.strip() for name, _, text in pairs}
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise InvalidRequest(rule, field=field)
    if rules := label_rules(value):
        raise InvalidRequest(rules[0], field=field)
    return {name: value[name] for name in sorted(value)}

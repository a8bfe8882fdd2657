"""Parsing of the input of a start."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fyke.domain.workers.parameters import DEVICES, MAX_CPUS, MIN_CPUS, read_input
from fyke.errors import InvalidRequest
from fyke.model.browser import BrowserChoice, BrowserMode, BrowserProgram
from fyke.model.worker import SystemDefaults
from fyke.sandbox.process import order

DEFAULTS = SystemDefaults()


def read(system: dict[str, Any] | None = None, custom: Any = None) -> Any:
    parameters: dict[str, Any] = {"custom": {} if custom is None else custom}
    if system is not None:
        parameters["system"] = system
    return read_input({"parameters": parameters}, DEFAULTS)


def test_every_member_of_system_is_optional() -> None:
    parsed = read()
    assert parsed.limits.memory_mb == 512
    assert parsed.limits.cpus == 0.125
    assert parsed.limits.timeout_s == 1800
    assert parsed.limits.max_charge_micros == parsed.limits.max_traffic_bytes == 0
    assert parsed.region == ""


@pytest.mark.parametrize(("memory", "cpus"), DEVICES.items())
def test_the_memory_determines_the_cpu_share(memory: int, cpus: float) -> None:
    limits = read({"memory": memory}).limits
    assert (limits.memory_mb, limits.cpus) == (memory, cpus)


@pytest.mark.parametrize(
    ("given", "size"), [(1, 512), (513, 1024), ("2048", 2048), (700.0, 1024), (16384, 16384)]
)
def test_memory_is_rounded_up_to_a_size(given: object, size: int) -> None:
    assert read({"memory": given}).limits.memory_mb == size
    assert read({"memory_bytes": given}).limits.memory_mb == size


@pytest.mark.parametrize("seconds", [0, -1, "0", None])
def test_no_time_limit_means_the_default(seconds: object) -> None:
    assert read({"execute_limit_time_seconds": seconds}).limits.timeout_s == 1800


def test_caps_are_exact_and_never_round_to_no_limit() -> None:
    limits = read({"max_total_charge": "0.0000001", "max_total_traffic": 1.5}).limits
    assert limits.max_charge_micros == 1
    assert limits.max_traffic_bytes == 1_500_000


def test_retries_are_those_of_the_start_or_else_of_the_worker() -> None:
    defaults = replace(DEFAULTS, max_retries=2)
    for given, expected in (({}, 2), ({"max_retries": ""}, 2), ({"max_retries": 0}, 0),
                            ({"max_retries": "10"}, 10)):  # fmt: skip
        raw = {"parameters": {"system": given, "custom": {}}}
        assert read_input(raw, defaults).limits.max_retries == expected
    assert read({}).limits.max_retries == 0


def test_a_sandbox_can_enforce_every_accepted_cpu_share() -> None:
    least, most = order.CPUS
    assert least <= MIN_CPUS < MAX_CPUS <= most
    for cpus in (MIN_CPUS, MAX_CPUS):
        assert read({"cpus": str(cpus)}).limits.cpus == cpus


@pytest.mark.parametrize(
    ("system", "named"),
    [
        ({"max_total_charge": -1}, "max_total_charge"),
        ({"max_total_traffic": "NaN"}, "max_total_traffic"),
        ({"max_total_traffic": float("inf")}, "max_total_traffic"),
        ({"max_total_charge": 1e308}, "max_total_charge"),
        ({"cpus": -0.5}, "cpus"),
        ({"cpus": "1e-9"}, "cpus must be from 0.01 to 64"),
        ({"cpus": 0.0099}, "cpus must be from 0.01 to 64"),
        ({"cpus": 64.5}, "cpus must be from 0.01 to 64"),
        ({"cpus": "many"}, "cpus"),
        ({"max_total_charge": "1_0"}, "max_total_charge must be a number"),
        ({"max_total_charge": "\uff11.\uff15"}, "max_total_charge must be a number"),
        ({"cpus": True}, "cpus"),
        ({"max_retries": 11}, "max_retries must be a whole number from 0 "),
        ({"max_retries": -1}, "max_retries must be a whole number"),
        ({"max_retries": 1.5}, "max_retries must be a whole number"),
        ({"max_retries": "often"}, "max_retries must be a number"),
        ({"memory": 99999}, "memory"),
        ({"memory": -1}, "memory"),
        ({"proxy_region": "usa"}, "proxy_region"),
        ({"egress_allow": "127.0.0.1:80"}, "egress_allow"),
        ({"egress_allow": ["127.0.0.1"]}, "egress_allow"),
        ({"egress_allow": ["127.0.0.1:70000"]}, "egress_allow"),
    ],
)
def test_the_error_of_an_invalid_member_names_it(system: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidRequest, match=named):
        read(system)


def test_a_flat_object_is_the_workers_own_input() -> None:
    assert read_input({"url": "x"}, DEFAULTS).custom == {"url": "x"}


@pytest.mark.parametrize(
    "raw",
    [None, [], "text", {}, {"parameters": []}, {"parameters": {}}, {"parameters": {"custom": 3}}],
)
def test_a_value_that_is_not_an_input_is_refused(raw: object) -> None:
    with pytest.raises(InvalidRequest):
        read_input(raw, DEFAULTS)


def test_a_valid_region_in_custom_is_used() -> None:
    assert read(custom={"proxy_region": "DE"}).region == "DE"
    assert read(custom={"proxy_region": "anything"}).region == ""
    assert read({"proxy_region": "FR"}, {"proxy_region": "DE"}).region == "FR"


def test_egress_targets_are_unchanged() -> None:
    assert read({"egress_allow": ["127.0.0.1:8080", "[::1]:80"]}).egress_allow == (
        "127.0.0.1:8080",
        "[::1]:80",
    )


SYSTEM = "input.parameters.system"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([], 'input must be an object such as {"parameters":{"system":{},"custom":{}}}'),
        ({}, "input.parameters is required: put the Worker's input in custom"),
        ({"parameters": []}, "input.parameters must be an object with system and custom"),
        ({"parameters": {"system": 1, "custom": {}}}, "input.parameters.system must be an object"),
        (
            {"parameters": {}},
            "input.parameters.custom is required: send {} when there is no input",
        ),
        ({"parameters": {"custom": 3}}, "custom parameters must contain a single JSON object"),
    ],
)
def test_a_refused_input_is_answered_with_the_expected_form(raw: object, message: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        read_input(raw, DEFAULTS)
    assert error.value.message == message


@pytest.mark.parametrize(
    ("system", "message"),
    [
        ({"memory": "many"}, f"{SYSTEM}.memory must be a number"),
        ({"memory": True}, f"{SYSTEM}.memory must be a number"),
        ({"memory": []}, f"{SYSTEM}.memory must be a number"),
        ({"memory": 0}, f"{SYSTEM}.memory must be a positive number of MB"),
        ({"browser_memory": "much"}, f"{SYSTEM}.browser_memory must be a number"),
        *(
            (
                {"browser_memory": asked},
                f"{SYSTEM}.browser_memory must be at least 128 MB; "
                "leave it out for the memory that all browsers get",
            )
            for asked in (127, -1)
        ),
        ({"browser": "none"}, f"{SYSTEM}.browser must be one of headless, headful"),
        ({"browser": ["headful"]}, f"{SYSTEM}.browser must be one of headless, headful"),
        (
            {"browser_program": {}},
            f"{SYSTEM}.browser_program must be one of headless-shell, chromium",
        ),
        (
            {"browser": "headful", "browser_program": "headless-shell"},
            f"{SYSTEM}.browser_program must be chromium with headful: the headless shell has no "
            "windows; leave it out",
        ),
        (
            {"memory": 16385},
            f"{SYSTEM}.memory must be at most 16384 MB; "
            "sizes are 512, 1024, 2048, 4096, 8192, 16384",
        ),
        ({"cpus": "inf"}, f"{SYSTEM}.cpus must be a finite number"),
        (
            {"cpus": 65},
            f"{SYSTEM}.cpus must be from 0.01 to 64 cores; "
            "leave it out for the share that goes with the memory",
        ),
        (
            {"execute_limit_time_seconds": "x"},
            f"{SYSTEM}.execute_limit_time_seconds must be a number",
        ),
        (
            {"execute_limit_time_seconds": 604_801},
            f"{SYSTEM}.execute_limit_time_seconds must be at most 604800 (seven days)",
        ),
        (
            {"max_total_traffic": "1000000000000.1"},
            f"{SYSTEM}.max_total_traffic must be 0 (no limit) or a positive number "
            "of at most 10^12",
        ),
        ({"proxy_region": 7}, f"{SYSTEM}.proxy_region must be two capital letters such as US"),
        *(
            (
                {"browser_block": asked},
                f"{SYSTEM}.browser_block must be a list of some of "
                "images, media, fonts, stylesheets",
            )
            for asked in ("images", {"images": True}, [1])
        ),
        (
            {"browser_block": ["images", "videos"]},
            f'{SYSTEM}.browser_block: "videos" must be one of images, media, fonts, stylesheets',
        ),
        ({"egress_allow": [1]}, f'{SYSTEM}.egress_allow must be a list of "host:port"'),
        ({"pool": 1}, f"{SYSTEM}.pool must be the name of a pool of nodes"),
        (
            {"pool": "EU"},
            f"{SYSTEM}.pool must have 1 to 63 lower-case letters, digits, dots or hyphens, and "
            "begin and end with a letter or digit",
        ),
        *(
            (
                {"labels": asked},
                f'{SYSTEM}.labels must be an object of texts such as {{"gpu": "yes"}}',
            )
            for asked in (["gpu"], {"gpu": 1}, 7)
        ),
        (
            {"labels": "gpu"},
            f"{SYSTEM}.labels must have the form name=value, separated by commas",
        ),
        (
            {"labels": {"gpu": "a b"}},
            f"{SYSTEM}.labels: the value of the label gpu has 1 to 63 letters, digits or . _ -, "
            "and must begin and end with a letter or digit",
        ),
        (
            {"egress_allow": ["h" * 90]},
            f'{SYSTEM}.egress_allow: "{"h" * 80}" must have the form host:port',
        ),
    ],
)
def test_each_rule_names_the_field_and_what_is_accepted(
    system: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidRequest) as error:
        read(system)
    assert error.value.message == message


@pytest.mark.parametrize(
    ("given", "size"),
    [(None, 0), (0, 0), ("", 0), ("2048", 2048), (128, 128), (300.5, 301), (1e300, 65_537)],
)
def test_the_memory_of_the_browser_is_asked_for_in_whole_megabytes(
    given: object, size: int
) -> None:
    limits = read({"browser_memory": given}).limits
    assert (limits.browser_memory_mb, limits.browser_cpus) == (size, 0)


@pytest.mark.parametrize(
    ("given", "labels"),
    [
        (None, {}),
        ({}, {}),
        ("", {}),
        ({"gpu": "yes", "disk": "ssd"}, {"disk": "ssd", "gpu": "yes"}),
        ("gpu=yes, disk = ssd,", {"disk": "ssd", "gpu": "yes"}),
    ],
)
def test_labels_are_an_object_or_a_text(given: object, labels: dict[str, str]) -> None:
    parsed = read({"labels": given, "pool": "eu"})
    assert (parsed.labels, [*parsed.labels]) == (labels, [*labels])
    assert (parsed.pool, read().pool, read({"pool": ""}).pool) == ("eu", "", "")


def test_types_that_browsers_do_not_load_are_given_once_and_in_order() -> None:
    assert read().browser_block == read({"browser_block": []}).browser_block == ()
    given = ["fonts", "images", "fonts"]
    assert read({"browser_block": given}).browser_block == ("images", "fonts")


@pytest.mark.parametrize(
    ("system", "choice"),
    [
        ({}, BrowserChoice()),
        ({"browser": "", "browser_program": None}, BrowserChoice()),
        ({"browser": "headless"}, BrowserChoice(BrowserMode.HEADLESS)),
        (
            {"browser": "headful", "browser_program": "chromium"},
            BrowserChoice(BrowserMode.HEADFUL, BrowserProgram.CHROMIUM),
        ),
        (
            {"browser_program": "headless-shell"},
            BrowserChoice(asked=BrowserProgram.HEADLESS_SHELL),
        ),
    ],
)
def test_windows_and_a_program_are_asked_for(system: dict[str, Any], choice: BrowserChoice) -> None:
    assert read(system).browser == choice


@pytest.mark.parametrize(
    ("given", "seconds"), [("0.5", 1), (1, 1), (1.9, 1), ("90", 90), (604_800, 604_800)]
)
def test_a_time_limit_is_in_whole_seconds(given: object, seconds: int) -> None:
    assert read({"execute_limit_time_seconds": given}).limits.timeout_s == seconds


def test_caps_have_bounds() -> None:
    limits = read({"max_total_charge": "10e11", "max_total_traffic": 10**12}).limits
    assert limits.max_charge_micros == 10**18
    assert limits.max_traffic_bytes == 10**18
    none = read({"max_total_charge": 0, "max_total_traffic": "0"}).limits
    assert none.max_charge_micros == none.max_traffic_bytes == 0
    assert read({"max_total_charge": 2}).limits.max_charge_micros == 2_000_000


def test_without_cpus_the_memory_determines_the_share() -> None:
    assert read({"memory": 4096, "cpus": 0}).limits.cpus == 1
    assert read({"memory": 4096, "cpus": 1}).limits.cpus == 1
    assert read({"memory": 512, "cpus": 1}).limits.cpus == 1


def test_an_empty_text_counts_as_missing() -> None:
    limits = read({"memory": "", "memory_bytes": 1024, "cpus": "", "max_total_charge": ""}).limits
    assert (limits.memory_mb, limits.cpus, limits.max_charge_micros) == (1024, 0.25, 0)


@pytest.mark.parametrize("port", ["1", "65535"])
def test_the_first_and_the_last_port_can_be_allowed(port: str) -> None:
    assert read({"egress_allow": [f"a.example:{port}"]}).egress_allow == (f"a.example:{port}",)


@pytest.mark.parametrize("port", ["0", "65536"])
def test_a_port_outside_its_range_cannot_be_allowed(port: str) -> None:
    with pytest.raises(InvalidRequest, match="must have the form host:port"):
        read({"egress_allow": [f"a.example:{port}"]})

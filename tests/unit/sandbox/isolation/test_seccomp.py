"""The filter, run by a small interpreter of BPF for every number and every rule."""

from __future__ import annotations

import struct
from functools import cache

import pytest

from fyke.sandbox.isolation import seccomp, syscalls
from fyke.sandbox.isolation.seccomp import FilterRules

MACHINES = ("x86_64", "aarch64")
EPERM, ENOSYS, EAFNOSUPPORT, EPROTONOSUPPORT, EOPNOTSUPP = 1, 38, 97, 93, 95


@cache
def steps_of(machine: str, watches: bool, rules: FilterRules) -> list[tuple[int, ...]]:
    program = seccomp.program(machine, watches=watches, rules=rules)
    return list(struct.iter_unpack("=HBBI", program))


def run(
    machine: str,
    number: int,
    *arguments: int,
    arch: int | None = None,
    watches: bool = True,
    rules: FilterRules = FilterRules.WORKER,
) -> int | str:
    """``"allow"``, ``"kill"`` or the errno that the call would fail with."""
    padded = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("=IIQ6Q", number, arch or seccomp.AUDIT_ARCH[machine], 0, *padded)
    steps = steps_of(machine, watches, rules)
    at = accumulator = 0
    while True:
        operation, yes, no, operand = steps[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, operand)
        elif operation == 0x15:
            at += yes if accumulator == operand else no
        elif operation == 0x35:
            at += yes if accumulator >= operand else no
        elif operation == 0x45:
            at += yes if accumulator & operand else no
        elif operation == 0x54:
            accumulator &= operand
        elif operation == 0x06:
            break
        else:
            raise AssertionError(f"unknown operation {operation:#x}")
    verdict = operand & 0xFFFF0000
    names = {0x7FFF0000: "allow", 0x80000000: "kill"}
    return names[verdict] if verdict in names else operand & 0xFFFF


@pytest.mark.parametrize("machine", MACHINES)
def test_every_number_gets_the_verdict_of_its_set(machine: str) -> None:
    allowed = set(syscalls.allowed(machine).values())
    denied = set(syscalls.denied(machine).values())
    checked = set(syscalls.checked(machine).values())
    for number in set(range(601)) - checked:
        expected = "allow" if number in allowed else EPERM if number in denied else ENOSYS
        assert run(machine, number) == expected, number


@pytest.mark.parametrize("machine", MACHINES)
def test_sets_do_not_overlap(machine: str) -> None:
    sets = [
        set(table(machine).values())
        for table in (syscalls.allowed, syscalls.denied, syscalls.checked)
    ]
    assert sum(map(len, sets)) == len(set.union(*sets))
    assert len(sets[0]) > 230
    named = {"clone", "clone3", "fallocate", "fcntl", "ioctl", "socket", "socketpair"}
    inotify = {"inotify_add_watch", "inotify_init", "inotify_init1"}
    assert named <= set(syscalls.checked(machine)) <= named | inotify


@pytest.mark.parametrize(
    "name",
    [
        "mount",
        "umount2",
        "pivot_root",
        "chroot",
        "unshare",
        "setns",
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
        "kcmp",
        "pidfd_getfd",
        "process_madvise",
        "keyctl",
        "add_key",
        "request_key",
        "bpf",
        "perf_event_open",
        "userfaultfd",
        "kexec_load",
        "init_module",
        "finit_module",
        "delete_module",
        "open_by_handle_at",
        "name_to_handle_at",
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "open_tree",
        "move_mount",
        "fsopen",
        "fsconfig",
        "fsmount",
        "fspick",
        "mount_setattr",
        "swapon",
        "swapoff",
        "reboot",
        "acct",
        "quotactl",
        "quotactl_fd",
        "syslog",
        "settimeofday",
        "clock_settime",
        "adjtimex",
        "clock_adjtime",
        "personality",
        "mbind",
        "set_mempolicy",
        "move_pages",
        "migrate_pages",
        "fanotify_init",
        "vmsplice",
        "vhangup",
        "sethostname",
    ],
)
@pytest.mark.parametrize("machine", MACHINES)
def test_dangerous_calls_fail_with_eperm(machine: str, name: str) -> None:
    assert run(machine, syscalls.denied(machine)[name]) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_numbers_beyond_the_tables_fail_with_enosys(machine: str) -> None:
    assert [run(machine, n) for n in (468, 500, 1000, 0x3FFFFFFF)] == [ENOSYS] * 4


@pytest.mark.parametrize("machine", MACHINES)
def test_another_architecture_is_killed(machine: str) -> None:
    assert run(machine, 1, arch=0x40000003) == "kill"


def test_x32_numbers_fail_with_enosys() -> None:
    assert {run("x86_64", 0x40000000 + number) for number in range(601)} == {ENOSYS}
    assert run("x86_64", 0xFFFFFFFF) == ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_clone_creates_processes_and_threads_but_no_namespaces(machine: str) -> None:
    clone = syscalls.checked(machine)["clone"]
    assert run(machine, clone, 17) == "allow"
    assert run(machine, clone, 0x3D0F00) == "allow"  # a thread, as C libraries make it
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert run(machine, clone, flag | 17) == EPERM
    assert run(machine, syscalls.checked(machine)["clone3"]) == ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_typing_into_a_terminal_is_refused(machine: str) -> None:
    ioctl = syscalls.checked(machine)["ioctl"]
    assert run(machine, ioctl, 0, 0x5412) == EPERM
    assert run(machine, ioctl, 0, 0x541C) == EPERM
    assert run(machine, ioctl, 0, 0x1_0000_5412) == EPERM  # the kernel drops the high half
    assert run(machine, ioctl, 0, 0x5413) == "allow"  # size of the window


@pytest.mark.parametrize("machine", MACHINES)
def test_reserving_disk_space_is_refused(machine: str) -> None:
    """It would fill the disk before the next measurement."""
    number = syscalls.checked(machine)
    assert run(machine, number["fallocate"], 3, 0, 0, 2**40) == EOPNOTSUPP
    for request in (0x40305828, 0x4030582A, 0x40305839, 0x1_4030_5828):
        assert run(machine, number["ioctl"], 3, request) == EOPNOTSUPP
    for request in (0x40305827, 0x40305829, 0x80305828, 0x5828):
        assert run(machine, number["ioctl"], 3, request) == "allow"


@pytest.mark.parametrize("machine", MACHINES)
def test_leases_and_dnotify_are_refused_but_not_locks(machine: str) -> None:
    fcntl = syscalls.checked(machine)["fcntl"]
    for command in (1024, 1026, 1040, 0x1_0000_0400):  # F_SETLEASE, F_NOTIFY, F_SETDELEG
        assert run(machine, fcntl, 3, command) == EPERM
    for command in (0, 1, 2, 5, 6, 7, 36, 37, 38, 1030, 1033):  # locks, duplicates, seals
        assert run(machine, fcntl, 3, command) == "allow"


@pytest.mark.parametrize("machine", MACHINES)
def test_watches_are_allowed_only_where_no_inode_is_shared(machine: str) -> None:
    numbers = [
        number for name, number in syscalls.checked(machine).items() if name.startswith("inotify")
    ]
    assert len(numbers) >= 2
    for number in numbers:
        assert run(machine, number, watches=True) == "allow"
        assert run(machine, number, watches=False) == ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("call", ["socket", "socketpair"])
def test_only_harmless_socket_families_are_allowed(machine: str, call: str) -> None:
    number = syscalls.checked(machine)[call]
    for family in range(1, 64):
        for protocol in range(0, 300):
            if family == 1:
                expected: int | str = "allow"
            elif family in (2, 10):
                expected = "allow" if protocol in (0, 6, 17) else EPROTONOSUPPORT
            elif family == 16:
                expected = "allow" if protocol == 0 else EAFNOSUPPORT
            else:
                expected = EAFNOSUPPORT
            if protocol < 20 or protocol in (132, 255, 262):
                assert run(machine, number, family, 1, protocol) == expected, (family, protocol)


def run_browser(machine: str, name: str, *arguments: int) -> int | str:
    numbers = syscalls.allowed(machine) | syscalls.denied(machine) | syscalls.checked(machine)
    return run(machine, numbers[name], *arguments, rules=FilterRules.BROWSER)


@pytest.mark.parametrize("machine", MACHINES)
def test_the_rules_of_a_browser_differ_in_eight_calls(machine: str) -> None:
    """For arguments of any kind, among them those that the rules are about."""
    numbers = syscalls.allowed(machine) | syscalls.denied(machine) | syscalls.checked(machine)
    samples = [
        (0, 0, 64),
        (0x10000000, 0, 64),
        (0x70000011, 41, 65),
        (0x20000, 41, 64),
        (0x10020000, 0, 100),
        (16, 3, 0),
        (10, 1, 0),
        (3, 1024, 0),
        (0, 0x5412, 0),
        (0, 0x890B, 0),
        (2, 3, 6),
    ]
    different = {
        name
        for name, number in numbers.items()
        for arguments in samples
        if run(machine, number, *arguments)
        != run(machine, number, *arguments, rules=FilterRules.BROWSER)
    }
    expected = {"clone", "unshare", "chroot", "socket", "socketpair", "setsockopt", "getsockopt"}
    expected |= {"ioctl"}
    assert different == expected
    for number in (467, 468, 500, 1000, 0x3FFFFFFF):
        assert run(machine, number, rules=FilterRules.BROWSER) == run(machine, number)


@pytest.mark.parametrize("machine", MACHINES)
def test_a_browser_creates_the_namespaces_of_its_own_sandbox_and_no_others(machine: str) -> None:
    assert run_browser(machine, "clone", 17) == "allow"
    for flags in (0x10000000, 0x30000000, 0x70000000, 0x50000000):
        assert run_browser(machine, "clone", flags | 17) == "allow"
        for more in (0x20000, 0x2000000, 0x4000000, 0x8000000):
            assert run_browser(machine, "clone", flags | more | 17) == EPERM
    assert run_browser(machine, "unshare", 0x10000000) == "allow"
    for flags in (0, 0x20000, 0x10020000, 0x30000000, 0x50000000, 0x40000000, 0x20000000):
        assert run_browser(machine, "unshare", flags) == EPERM
    assert run_browser(machine, "chroot") == "allow"
    for name in ("mount", "pivot_root", "setns", "ptrace", "bpf", "fsopen", "keyctl"):
        assert run_browser(machine, name) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("call", ["socket", "socketpair"])
def test_a_browser_has_no_netlink(machine: str, call: str) -> None:
    for protocol in range(32):
        assert run_browser(machine, call, 16, 3, protocol) == EAFNOSUPPORT
    for family, protocol in ((1, 0), (2, 0), (2, 6), (10, 17)):
        assert run_browser(machine, call, family, 1, protocol) == "allow"
    assert run_browser(machine, call, 2, 2, 1) == EPROTONOSUPPORT
    for family in (2, 10):
        for kind in (0, 3, 4, 5, 6, 10, 0x803, 0x8000A, 11):
            assert run_browser(machine, call, family, kind, 0) == EPROTONOSUPPORT
            assert run_browser(machine, call, family, kind, 6) == EPROTONOSUPPORT
        for kind in (1, 2, 0x80801, 0x80002):
            assert run_browser(machine, call, family, kind, 0) == "allow"
    assert run_browser(machine, call, 40, 1, 0) == EAFNOSUPPORT


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("call", ["setsockopt", "getsockopt"])
def test_options_that_need_capabilities_are_refused_to_a_browser(machine: str, call: str) -> None:
    refused = {
        0: [16, 17, 19, 64, 65, 80, 2**31],
        6: [19, 20, 22, 29],
        41: [34, 35, 64, 65, 75, 200],
    }
    kept = {
        0: [1, 15, 18, 20, 63],
        1: [2, 17, 64],
        6: [1, 18, 23, 28, 30],
        41: [26, 63, 66, 67, 74],
    }
    for level, options in refused.items():
        for option in options:
            assert run_browser(machine, call, 3, level, option) == EPERM, (level, option)
    for level, options in kept.items():
        for option in options:
            assert run_browser(machine, call, 3, level, option) == "allow", (level, option)


@pytest.mark.parametrize("machine", MACHINES)
def test_a_browser_does_not_change_networks_by_ioctl(machine: str) -> None:
    """Nor through requests of drivers, from 0x89F0 on."""
    refused = (0x890B, 0x890C, 0x8914, 0x8916, 0x891C, 0x8922, 0x8924, 0x8940, 0x8941, 0x8946)
    for request in (*refused, 0x8982, 0x8990, 0x8995, 0x89A0, 0x89A3, 0x89F0, 0x89FF, 0x8B00):
        assert run_browser(machine, "ioctl", 3, request) == EPERM, hex(request)
    for request in (0x5401, 0x541B, 0x8901, 0x8906, 0x8910, 0x8912, 0x8913, 0x8915, 0x8927, 0x8933):
        assert run_browser(machine, "ioctl", 3, request) == "allow", hex(request)
    assert run_browser(machine, "ioctl", 3, 0x5412) == EPERM
    assert run_browser(machine, "ioctl", 3, 0x40305828) == EOPNOTSUPP
    assert run_browser(machine, "ioctl", 3, 0x8C00) == "allow"


@pytest.mark.parametrize("rules", FilterRules)
@pytest.mark.parametrize("machine", MACHINES)
def test_no_jump_leaves_the_program(machine: str, rules: FilterRules) -> None:
    steps = list(struct.iter_unpack("=HBBI", seccomp.program(machine, rules=rules)))
    assert len(steps) < 4096
    for at, (operation, yes, no, _) in enumerate(steps):
        if operation not in (0x20, 0x06, 0x54):
            assert at + 1 + max(yes, no) < len(steps)
    assert steps[-1][0] == 0x06


def test_an_unknown_machine_is_refused() -> None:
    with pytest.raises(ValueError, match="x86_64 and aarch64"):
        seccomp.program("riscv64")

"""The seccomp filter of a sandbox, as bytes for ``bwrap --seccomp FD``, in pure Python.

It is an allow-list: a deny-list would allow every call that is newer than itself. The program
compares the call number with ascending bounds, one comparison for each range of numbers with the
same verdict. Its length has no cost: the kernel caches the verdict of every number whose rule does
not read arguments.

FilterRules that read arguments:

* ``clone`` with any flag that creates a namespace: EPERM. ``clone3`` keeps its flags in memory,
  which a filter cannot read: ENOSYS, so C libraries and Go fall back to ``clone``.
* ``fallocate``, and the ``ioctl`` numbers that do the same: EOPNOTSUPP, so C libraries write zeros
  instead. It allocates terabytes of disk within milliseconds, before a measurement of the work
  folder could notice.
* ``fcntl`` with a lease, a delegation or dnotify: EPERM. They belong to an inode, which may be
  shared, and reveal or delay what others do with the file. Locks are allowed, for databases.
* ``inotify``: ENOSYS, so that programs poll instead, where not every inode is the sandbox's own.
* ``ioctl`` TIOCSTI and TIOCLINUX, which type into a terminal: EPERM.
* ``socket`` and ``socketpair``: Unix, IPv4 and IPv6 with the protocols TCP and UDP, and route
  netlink (Node.js and Go list interfaces with it). Every other family and protocol is reported as
  not supported. VSOCK matters most: no network namespace confines it. IPv6 is allowed because gRPC
  connects by dual-stack sockets.

``FilterRules.BROWSER`` differs in eight calls, so that Chromium can build its own sandbox: a user
namespace, with a process and a network namespace, for the processes that handle web pages. In such
a namespace a process has every capability over what the namespace owns, so the parts of the kernel
that these capabilities open stay closed:

* ``clone`` may create user, process and network namespaces, and no other.
* ``unshare`` of a user namespace and nothing else: Chromium's test whether it can have a sandbox.
* ``chroot``, by which a process that handles pages gives up its files.
* ``socket`` and ``socketpair``: no netlink, which would open routing and traffic control, and of
  IPv4 and IPv6 streams and datagrams only, no raw sockets and no packets.
* ``setsockopt`` and ``getsockopt``: EPERM for the options of netfilter, IPsec policies, transparent
  proxies, multicast routing and the repair of TCP connections.
* ``ioctl``: EPERM for requests that change interfaces, routes, bridges and tunnels.

A call for another architecture kills the process; the x32 numbers fail with ENOSYS.
"""

from __future__ import annotations

import functools
import platform
import struct
from collections.abc import Iterable
from enum import Enum

from fyke.sandbox.isolation import syscalls

EPERM = 1
ENOSYS = 38
EOPNOTSUPP = 95
EAFNOSUPPORT = 97
EPROTONOSUPPORT = 93

RETURN_ALLOW = 0x7FFF0000
RETURN_ERRNO = 0x00050000
RETURN_KILL = 0x80000000

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32_BIT = 0x40000000

# offsets into the struct that a filter reads; only the low half of an argument is read, because the
# kernel itself takes these arguments as 32-bit numbers
NUMBER = 0
ARCHITECTURE = 4
ARGUMENT = (16, 24, 32, 40, 48, 56)

LOAD = 0x20
JUMP_EQUAL = 0x15
JUMP_IF_GREATER_OR_EQUAL = 0x35
JUMP_ANY_BIT = 0x45
AND = 0x54
RETURN = 0x06

CLONE_NEW_ANY = 0x7E020000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
CLONE_NEW_BROWSER = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET
SOCK_STREAM, SOCK_DGRAM = 1, 2
SOCKET_TYPE = 0xF  # the other bits of a type are flags
SOL_IP, SOL_TCP, SOL_IPV6 = 0, 6, 41
NETFILTER = 64  # the first option of SOL_IP that belongs to netfilter
IP_XFRM_POLICY, IPV6_XFRM_POLICY, TCP_REPAIR = 17, 35, 19
ANY = 0xFFFFFFFE
# options that a browser may not use, by level: the first and the last of each range
REFUSED_OPTIONS = {
    SOL_IP: ((16, 17), (19, 19), (NETFILTER, ANY)),  # IPsec, transparent proxies, netfilter
    SOL_TCP: ((TCP_REPAIR, 22), (29, 29)),
    SOL_IPV6: ((34, 35), (64, 65), (75, 75), (200, ANY)),
}
# requests about networks that a browser may not make: all but those that read the address, flags,
# name or index of an interface, or belong to a socket
SIOCADDRT, SIOCSIFFLAGS, SIOCBRADDBR = 0x890B, 0x8914, 0x89A0
REFUSED_REQUESTS = (
    (0x8900, 0x8900),
    (0x8908, 0x890F),
    (0x8911, 0x8911),
    (0x8914, 0x8914),
    (0x8916, 0x8920),
    (0x8922, 0x8926),
    (0x8928, 0x8932),
    (0x8934, 0x8BFF),
)
TIOCSTI = 0x5412
TIOCLINUX = 0x541C
F_SETLEASE, F_NOTIFY, F_SETDELEG = 1024, 1026, 1040
RESERVE_SPACE = (0x40305828, 0x4030582A, 0x40305839)  # FS_IOC_RESVSP, RESVSP64, ZERO_RANGE
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
PROTOCOLS = (0, 6, 17)  # the default, TCP, UDP
NETLINK_ROUTE = 0

Instruction = tuple[int, int, int, int]  # operation, jump if true, jump if false, operand
ALLOW: Instruction = (RETURN, 0, 0, RETURN_ALLOW)


class FilterRules(Enum):
    """WORKER: for everything but a browser that has a sandbox of its own."""

    WORKER = "worker"
    BROWSER = "browser"


@functools.cache
def program(
    machine: str | None = None, *, watches: bool = True, rules: FilterRules = FilterRules.WORKER
) -> bytes:
    """Return the filter for ``machine`` (``x86_64`` or ``aarch64``, default: this machine's).

    ``watches`` allows inotify. Raise ``ValueError`` for any other machine.
    """
    name = machine or platform.machine()
    if name not in AUDIT_ARCH:
        raise ValueError(f"no system call table for {name}: Fyke runs on x86_64 and aarch64")
    steps = [*_prologue(name), *_checked(name, watches, rules), *_walk(_verdicts(name, rules))]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _fail(errno: int) -> Instruction:
    return (RETURN, 0, 0, RETURN_ERRNO | errno)


def _prologue(machine: str) -> list[Instruction]:
    steps: list[Instruction] = [
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_EQUAL, 1, 0, AUDIT_ARCH[machine]),
        (RETURN, 0, 0, RETURN_KILL),
        (LOAD, 0, 0, NUMBER),
    ]
    if machine == "x86_64":
        steps += [(JUMP_IF_GREATER_OR_EQUAL, 0, 1, X32_BIT), _fail(ENOSYS)]
    return steps


def _checked(machine: str, watches: bool, rules: FilterRules) -> list[Instruction]:
    """The rules of checked calls: for each a comparison, which skips its block for other calls."""
    inotify = [ALLOW if watches else _fail(ENOSYS)]
    blocks = {
        "clone": _clone(CLONE_NEW_ANY),
        "clone3": [_fail(ENOSYS)],
        "fallocate": [_fail(EOPNOTSUPP)],
        "fcntl": _fcntl(),
        "inotify_add_watch": inotify,
        "inotify_init": inotify,
        "inotify_init1": inotify,
        "ioctl": _ioctl(),
        "socket": _socket(),
        "socketpair": _socket(),
    }
    numbers = syscalls.checked(machine)
    if rules is FilterRules.BROWSER:
        more = {"unshare": _unshare(), "setsockopt": _options(), "getsockopt": _options()}
        others = syscalls.allowed(machine) | syscalls.denied(machine)
        numbers |= {name: others[name] for name in more}
        blocks |= more | {"clone": _clone(CLONE_NEW_ANY & ~CLONE_NEW_BROWSER)}
        blocks |= dict.fromkeys(("socket", "socketpair"), _browser_socket())
        blocks["ioctl"] = [(LOAD, 0, 0, ARGUMENT[1]), *_refuse(REFUSED_REQUESTS), *_ioctl()]
    steps: list[Instruction] = []
    for name, number in numbers.items():
        block = blocks[name]
        steps += [(JUMP_EQUAL, 0, len(block), number), *block]
    return steps


def _clone(refused: int) -> list[Instruction]:
    return [
        (LOAD, 0, 0, ARGUMENT[0]),
        (JUMP_ANY_BIT, 0, 1, refused),
        _fail(EPERM),
        ALLOW,
    ]


def _unshare() -> list[Instruction]:
    return [
        (LOAD, 0, 0, ARGUMENT[0]),
        (JUMP_EQUAL, 0, 1, CLONE_NEWUSER),
        ALLOW,
        _fail(EPERM),
    ]


def _refuse(ranges: Iterable[tuple[int, int]]) -> list[Instruction]:
    """EPERM for values from the first to the last of each range; other values go on."""
    steps: list[Instruction] = []
    for first, last in ranges:
        steps += [
            (JUMP_IF_GREATER_OR_EQUAL, 0, 2, first),
            (JUMP_IF_GREATER_OR_EQUAL, 1, 0, last + 1),
            _fail(EPERM),
        ]
    return steps


def _options() -> list[Instruction]:
    steps: list[Instruction] = [(LOAD, 0, 0, ARGUMENT[1])]
    for level, ranges in REFUSED_OPTIONS.items():
        block = [(LOAD, 0, 0, ARGUMENT[2]), *_refuse(ranges), ALLOW]
        steps += [(JUMP_EQUAL, 0, len(block), level), *block]
    return [*steps, ALLOW]


def _fcntl() -> list[Instruction]:
    return [
        (LOAD, 0, 0, ARGUMENT[1]),
        (JUMP_EQUAL, 2, 0, F_SETLEASE),
        (JUMP_EQUAL, 1, 0, F_NOTIFY),
        (JUMP_EQUAL, 0, 1, F_SETDELEG),
        _fail(EPERM),
        ALLOW,
    ]


def _ioctl() -> list[Instruction]:
    reserve, reserve_64, zero = RESERVE_SPACE
    return [
        (LOAD, 0, 0, ARGUMENT[1]),
        (JUMP_EQUAL, 5, 0, TIOCSTI),
        (JUMP_EQUAL, 4, 0, TIOCLINUX),
        (JUMP_EQUAL, 2, 0, reserve),
        (JUMP_EQUAL, 1, 0, reserve_64),
        (JUMP_EQUAL, 0, 2, zero),
        _fail(EOPNOTSUPP),
        _fail(EPERM),
        ALLOW,
    ]


def _browser_socket() -> list[Instruction]:
    return [
        (LOAD, 0, 0, ARGUMENT[0]),
        (JUMP_EQUAL, 0, 1, AF_UNIX),
        ALLOW,
        (JUMP_EQUAL, 2, 0, AF_INET),
        (JUMP_EQUAL, 1, 0, AF_INET6),
        _fail(EAFNOSUPPORT),
        (LOAD, 0, 0, ARGUMENT[1]),
        (AND, 0, 0, SOCKET_TYPE),
        (JUMP_EQUAL, 2, 0, SOCK_STREAM),
        (JUMP_EQUAL, 1, 0, SOCK_DGRAM),
        _fail(EPROTONOSUPPORT),
        *_protocols(),
    ]


def _socket() -> list[Instruction]:
    return [
        (LOAD, 0, 0, ARGUMENT[0]),
        (JUMP_EQUAL, 0, 1, AF_UNIX),
        ALLOW,
        (JUMP_EQUAL, 5, 0, AF_INET),
        (JUMP_EQUAL, 4, 0, AF_INET6),
        (JUMP_EQUAL, 0, 2, AF_NETLINK),
        (LOAD, 0, 0, ARGUMENT[2]),
        (JUMP_EQUAL, 4, 0, NETLINK_ROUTE),
        _fail(EAFNOSUPPORT),
        *_protocols(),
    ]


def _protocols() -> list[Instruction]:
    return [
        (LOAD, 0, 0, ARGUMENT[2]),
        (JUMP_EQUAL, 1, 0, PROTOCOLS[0]),
        (JUMP_EQUAL, 0, 1, PROTOCOLS[1]),
        ALLOW,
        (JUMP_EQUAL, 0, 1, PROTOCOLS[2]),
        ALLOW,
        _fail(EPROTONOSUPPORT),
    ]


def _verdicts(machine: str, rules: FilterRules) -> dict[int, Instruction]:
    denied = syscalls.denied(machine)
    verdicts = dict.fromkeys(syscalls.allowed(machine).values(), ALLOW)
    verdicts |= dict.fromkeys(denied.values(), _fail(EPERM))
    if rules is FilterRules.BROWSER:
        verdicts[denied["chroot"]] = ALLOW
    return verdicts


def _walk(verdicts: dict[int, Instruction]) -> list[Instruction]:
    """One comparison for each range of numbers with the same verdict; other numbers get ENOSYS."""
    steps: list[Instruction] = []
    current = verdicts.get(0, _fail(ENOSYS))
    for number in range(1, max(verdicts) + 2):
        verdict = verdicts.get(number, _fail(ENOSYS))
        if verdict != current:
            steps += [(JUMP_IF_GREATER_OR_EQUAL, 1, 0, number), current]
            current = verdict
    return [*steps, current]

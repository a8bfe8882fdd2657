#!/usr/bin/python3 -IBS
"""The program through which every Chromium in a sandbox starts: ours, and those of chromedriver.

It drops arguments that would weaken Chromium's own sandbox or aim at what connects it, appends
ours, reports to ``browser_host``, and becomes the program that ``FYKE_PROGRAM`` names. The sandbox
around it does not depend on any argument.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys

SETTINGS = "/run/fyke/browser.json"
SOCKET = "\0fyke-browser-host"
SECONDS = 5.0

# Services of Chromium that it calls although its policy switches them off. The name resolves
# nowhere, and is not sent to the proxy.
NOWHERE = "home.invalid"

# of the arguments given, these are dropped: names of switches, without the hyphens
DROPPED = re.compile(
    "|".join(
        (
            "no-sandbox",
            "no-zygote.*",
            "single-process",
            "disable-(setuid|namespace|seccomp-filter|gpu|network|mojo-linux)-sandbox.*",
            "disable-.*-sandbox",
            "allow-sandbox-debugging",
            "proxy-.*",
            "no-proxy-server",
            "winhttp-proxy-resolver",
            "host-rules",
            "host-resolver-rules",
            "dns-.*",
            "remote-allow-origins",
            "remote-debugging-(address|pipe|port|socket-name|targets)",
            "load-extension",
            "disable-extensions-except",
            ".*-cmd-prefix",
            "gpu-launcher",
            "utility-.*-launcher",
            "browser-subprocess-path",
            "component-updater",
            "gaia-url",
            "google-.*-url",
            "apps-gallery-update-url",
            "variations-server-url",
            "headless",
            "user-data-dir",
            "disk-cache-dir",
            "enable-features",
            "disable-features",
            "enable-logging",
            "log-file",
            "log-net-log",
            "crash-dumps-dir",
            "type",
            "enable-blink-test-features",
        )
    )
)
PAGE = "page-address"  # reported for an address that is not opened, which is no name
BLANKS = " \t\n\v\f\r"  # Chromium removes them around an argument
# values that open the inside of Chromium to a page
MOJO = re.compile("mojojs", re.IGNORECASE)
NO_BOUNDS = re.compile("no-?wasm-?(enforce-?)?bounds-?checks", re.IGNORECASE)
# These are not reported: they are replaced by ours, or libraries add them by themselves and the
# browser behaves as it would with them.
UNREPORTED = re.compile(
    "|".join(
        (
            "headless",
            "user-data-dir",
            "(enable|disable)-features",
            "remote-debugging-(address|pipe|port)",
            "remote-allow-origins",
            "no-sandbox",
            "disable-setuid-sandbox",
            "enable-logging",
            "proxy-bypass-list",  # the server is reported
        )
    )
)
OWN_PROXY = re.compile(  # the names that the Worker knows for the proxy that is used anyway
    r"((https?|socks5h?)://)?([^/@]*@)?"
    r"(127\.0\.0\.1|localhost|proxy-inner\.(coreclaw|cafescraper)\.com):(1080|6000)/?"
)
PAGES = re.compile(r"(about:blank|data:,?|https?://.*)")  # arguments that are no switches

OURS = (
    "--remote-debugging-port=0",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    # pages of loopback go to the proxy, which refuses them
    "--proxy-server=http://127.0.0.1:1080",
    f"--proxy-bypass-list=<-loopback>;{NOWHERE}",
    "--host-resolver-rules=MAP * ~NOTFOUND,EXCLUDE 127.0.0.1",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--disable-quic",
    "--dns-prefetch-disable",
    "--no-pings",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-breakpad",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-component-extensions-with-background-pages",
    "--disable-domain-reliability",
    "--disable-client-side-phishing-detection",
    "--metrics-recording-only",
    "--password-store=basic",
    "--use-mock-keychain",
    "--disable-field-trial-config",
    "--disable-search-engine-choice-screen",
    f"--component-updater=url-source=https://{NOWHERE}/u",
    f"--gaia-url=https://{NOWHERE}",
    f"--google-apis-url=https://{NOWHERE}",
    f"--apps-gallery-update-url=https://{NOWHERE}/x",
    f"--variations-server-url=https://{NOWHERE}/v",
    "--disk-cache-size=67108864",
    "--disable-hang-monitor",
    "--log-level=3",  # it complains of every service of a desktop that is not there
)
DISABLED_FEATURES = (
    "OptimizationHints",
    "OptimizationGuideModelDownloading",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "Translate",
    "AimEnabled",
    "PreconnectToSearch",
    "AutofillServerCommunication",
    "CertificateTransparencyComponentUpdater",
    "DialMediaRouteProvider",
    "InterestFeedContentSuggestions",
)
ENABLED_FEATURES = ("SkipListAccountsWithoutGaiaCookies",)


def switch_of(argument: str) -> str:
    """The name of a switch; "" for an argument that is none. One hyphen is enough for Chromium."""
    if not argument.startswith("-"):
        return ""
    return argument.lstrip("-").partition("=")[0]


def profile_of(given: list[str], profile: str, pid: int) -> str:
    """The folder of the profile: ours, or the given one if it is a memory file system."""
    if profile:
        return profile
    named = [a.partition("=")[2] for a in given if switch_of(a) == "user-data-dir"]
    folder = os.path.normpath(named[-1]) if named else ""
    return folder if folder.startswith(("/work/", "/tmp/")) else f"/work/d{pid}"  # noqa: S108


def is_dropped(argument: str) -> bool:
    name, value = switch_of(argument), argument.partition("=")[2]
    if not name:
        return PAGES.fullmatch(argument) is None
    return bool(
        DROPPED.fullmatch(name)
        or (name == "enable-blink-features" and MOJO.search(value))
        or (name == "js-flags" and NO_BOUNDS.search(value.replace("_", "-")))
    )


def is_reported(argument: str) -> bool:
    """Whether the user hears that this argument was dropped."""
    name, value = switch_of(argument), argument.partition("=")[2]
    if name == "proxy-server":
        return OWN_PROXY.fullmatch(value) is None
    return UNREPORTED.fullmatch(name) is None


def features(given: list[str], switch: str, refused: tuple[str, ...]) -> list[str]:
    """The names in the values of ``switch``, without those in ``refused``."""
    values = [a.partition("=")[2] for a in given if switch_of(a) == switch]
    names = [name for value in values for name in value.split(",") if name]
    kept = (name for name in names if re.split("[<:]", name)[0].strip(BLANKS) not in refused)
    return [name for name in kept if not MOJO.search(name)]


def arguments(
    given: list[str],
    *,
    program: str,
    profile: str,
    own_sandbox: bool,
    display: bool,
    cache: str = "",
) -> tuple[list[str], list[str]]:
    """The arguments for ``program``, ours last, because the last value of a switch counts; and the
    names of those that were dropped and are reported. ``display``: it has windows. The HTTP cache
    is in ``Default/Cache`` below the folder ``cache``; "" is that of the profile.

    ``given`` are without blanks around them.
    """
    kept, dropped = [], []
    for argument in given:
        name = switch_of(argument)
        if not is_dropped(argument):
            kept.append(argument)
        elif is_reported(argument):
            dropped.append(name or PAGE)
    pages = [argument for argument in kept if not switch_of(argument)]
    kept = [argument for argument in kept if switch_of(argument)]
    disabled = [*features(given, "disable-features", ENABLED_FEATURES), *DISABLED_FEATURES]
    enabled = [*features(given, "enable-features", DISABLED_FEATURES), *ENABLED_FEATURES]
    ours = [
        *OURS,
        f"--user-data-dir={profile}",
        f"--disable-features={','.join(dict.fromkeys(disabled))}",
        f"--enable-features={','.join(dict.fromkeys(enabled))}",
    ]
    if display:
        ours.append("--ozone-platform=x11")
    elif program == "chromium":
        ours.append("--headless=new")
    if not own_sandbox:
        ours.append("--no-sandbox")
    if cache:
        below = "" if program == "chromium" else "/Default/Cache"  # which chromium adds itself
        ours.append(f"--disk-cache-dir={cache}{below}")
    return [*kept, *ours, *(pages or ["about:blank"])], dropped


def report(profile: str, dropped: list[str]) -> None:
    """Send ``browser_host`` what this process becomes."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(SECONDS)
        connection.connect(SOCKET)
        connection.sendall(json.dumps({"profile": profile, "dropped": dropped[:64]}).encode())


def main() -> None:
    with open(SETTINGS, "rb") as file:  # noqa: PTH123
        settings = json.load(file)
    given = [argument.strip(BLANKS) for argument in sys.argv[1:]]
    name = os.environ.pop("FYKE_PROGRAM")
    path = settings["programs"][name]
    if given == ["--version"]:
        os.execv(path, [path, "--version"])  # noqa: S606 - it has no shell
    profile = profile_of(given, os.environ.pop("FYKE_PROFILE", ""), os.getpid())
    words, dropped = arguments(
        given,
        program=name,
        profile=profile,
        own_sandbox=settings["own_sandbox"],
        display=bool(settings["display"]),
        cache=os.environ.pop("FYKE_CACHE", ""),
    )
    report(profile, dropped)
    os.execv(path, [path, *words])  # noqa: S606


if __name__ == "__main__":
    main()

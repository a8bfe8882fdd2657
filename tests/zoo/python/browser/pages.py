"""What pages do, and what they download."""

import time

from devtools import CommandFailed, Devtools, request, works

FILL = "const all = []; for (;;) all.push(new Uint8Array(2 ** 23).fill(1));"
SPIN = "for (;;);"
SCRIPT = """#!/usr/bin/python3
import os, socket
for _ in range(12):
    os.fork()
with socket.create_connection(("127.0.0.1", 1080)) as proxy:
    proxy.sendall(b"GET SITE/it-ran HTTP/1.1\\r\\n\\r\\n")
    proxy.recv(1)
"""


def opens_500_tabs(site):
    browser, opened = Devtools(), 0
    until = time.monotonic() + 40
    try:
        while opened < 500 and time.monotonic() < until:
            browser.page()
            opened += 1
    except (CommandFailed, ConnectionError):
        pass  # there was no more room
    return {"many": opened > 20, "works": works()}


def page_eats_memory(site):
    return eats_memory(FILL)


def thread_eats_memory(site):
    """A thread of a page."""
    return eats_memory(f"new Worker(URL.createObjectURL(new Blob([{FILL!r}]))); 0")


def eats_memory(script):
    browser = Devtools()
    browser.ask("Target.setDiscoverTargets", discover=True)
    session = browser.page()
    browser.send("Runtime.evaluate", session, expression=script)
    crashed = browser.event("Target.targetCrashed")
    return {"crashed": bool(crashed), "works": works()}


def spins_in_eight_tabs(site):
    browser = Devtools()
    for _ in range(8):
        browser.send("Runtime.evaluate", browser.page(), expression=SPIN)
    return {"works": works()}


def redirects_without_end(site):
    browser = Devtools()
    try:
        browser.page(f"{site}/redirects")
    except CommandFailed as error:
        return {"error": str(error), "works": works()}


def downloads_without_end(site):
    browser = Devtools()
    allow_downloads(browser, "/work/downloads")
    session = browser.page()
    browser.send("Page.navigate", session, url=f"{site}/endless")
    return {"state": last_state(browser), "works": works()}


def allow_downloads(browser, folder):
    browser.ask(
        "Browser.setDownloadBehavior", behavior="allow", downloadPath=folder, eventsEnabled=True
    )


def last_state(browser):
    while True:
        state = browser.event("Browser.downloadProgress")["params"]["state"]
        if state != "inProgress":
            return state


def fills_tmp(site):
    """By two downloads at once, and then another one."""
    browser = Devtools()
    allow_downloads(browser, "/tmp")
    for _ in range(2):
        browser.send("Page.navigate", browser.page(), url=f"{site}/endless")
    states = [last_state(browser), last_state(browser)]
    browser.send("Page.navigate", browser.page(), url=f"{site}/endless")
    return {"states": [*states, last_state(browser)], "works": works()}


def runs_a_download(site):
    """It may be stored, but nothing makes it a program or starts it."""
    browser = Devtools()
    allow_downloads(browser, "/work/downloads")
    session = browser.page()
    script = SCRIPT.replace("SITE", site)
    browser.value(
        session,
        f"""(() => {{
          const link = document.createElement("a");
          link.href = URL.createObjectURL(new Blob([{script!r}]));
          link.download = "program";
          link.click();
        }})()""",
    )
    state = last_state(browser)
    program = "/work/downloads/program"
    refused = 0
    for url in (f"file://{program}", f"view-source:file://{program}"):
        try:
            browser.ask("Page.navigate", session, url=url)
        except CommandFailed:
            refused += 1
    launched = []
    for switch in ("renderer-cmd-prefix", "browser-subprocess-path", "gpu-launcher",
                   "utility-cmd-prefix", "zygote-cmd-prefix", "ppapi-plugin-launcher"):  # fmt: skip
        body = {"arguments": [f"--{switch}={program}", f"-{switch}={program}"]}
        _, path, connection = request("POST", "/fyke/launch", body, keep=True)
        number = path.split()[0]
        other = Devtools(f"/fyke/instance/{number}/devtools/browser/any")
        launched.append(other.value(other.page(), "7"))
        other.connection.close()
        connection.close()
        while request("GET", f"/fyke/instance/{number}/json/version")[0] != 404:
            time.sleep(0.05)
    return {"state": state, "refused": refused, "launched": launched}


def alerts_without_end(site):
    browser = Devtools()
    session = browser.page()
    browser.ask("Page.enable", session)
    browser.send("Runtime.evaluate", session, expression="for (;;) alert(1)")
    dialogs = 0
    for _ in range(50):
        browser.event("Page.javascriptDialogOpening")
        dialogs += 1
        browser.send("Page.handleJavaScriptDialog", session, accept=True)
    return {"dialogs": dialogs, "works": works()}


def opens_windows_without_end(site):
    browser = Devtools()
    browser.ask("Target.setDiscoverTargets", discover=True)
    session = browser.page()
    script = "setInterval(() => { for (let n = 0; n < 10; n++) window.open('about:blank') }, 10)"
    browser.ask("Runtime.evaluate", session, expression=script, userGesture=True)
    time.sleep(8)
    return {"works": works()}


def leaves_a_service_worker(site):
    """One that spins from its first line, and is stored with the profile."""
    browser = Devtools()
    session = browser.page(f"{site}/items")
    script = "navigator.serviceWorker.register('/spinning.js'); 0"
    browser.value(session, script)
    time.sleep(1)
    return {"works": works()}

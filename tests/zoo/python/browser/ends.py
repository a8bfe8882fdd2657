"""How browsers are started, left, killed and crashed."""

import os
import signal
import subprocess
import sys
import time

from devtools import CommandFailed, Devtools, Refused, request, works
from sdk import CoreSDK

LAUNCH = {"arguments": ["--headless"]}
SESSION = {"capabilities": {"alwaysMatch": {"browserName": "chrome"}}}
RELAY = [sys.executable, "-I", "-B", "-S", "relay.py", "chromium",
         "--headless", "--remote-debugging-port=0"]  # fmt: skip
kept = []  # connections that must stay open


def never_closes(site):
    browser = Devtools()
    browser.page()
    kept.append(browser)
    return {"pages": len(browser.ask("Target.getTargets")["targetInfos"]) > 0}


def closes_twice(site):
    first, second = Devtools(), Devtools()
    for browser in (first, second):
        browser.send("Browser.close")
    return {"works": works()}


def kills_its_browser(site):
    """By what it knows of its processes, by pages that end browsers, and by its own commands."""
    browser = Devtools()
    listed = browser.ask("SystemInfo.getProcessInfo")["processInfo"]
    for pid in {int(process["id"]) for process in listed} - {1, os.getpid(), os.getppid()}:
        try:
            os.kill(pid, signal.SIGKILL)  # a number of another namespace
        except OSError:
            continue
    refused = 0
    for url in ("chrome://kill", "chrome://hang", "chrome://crash", "chrome://quit"):
        try:
            session = browser.ask(
                "Target.attachToTarget",
                targetId=browser.ask("Target.createTarget", url="about:blank")["targetId"],
                flatten=True,
            )["sessionId"]
            browser.send("Page.navigate", session, url=url)
        except (CommandFailed, ConnectionError):
            refused += 1
    time.sleep(1)
    lived = works()
    Devtools().send("Browser.close")
    return {"lived": lived, "works": works()}


def crashes_its_browser(site):
    """Until it gets no other one: twenty within a minute are allowed."""
    began = time.monotonic()
    for number in range(30):
        try:
            browser = Devtools()
        except Refused as error:
            return {"allowed": number, "status": error.args[0], "why": error.args[1]}
        browser.send("Browser.crash")
        try:
            while True:
                browser.receive()
        except ConnectionError:
            continue
        finally:
            browser.connection.close()
    return {"seconds": time.monotonic() - began}


def crashes_its_gpu_process(site):
    for _ in range(5):
        try:
            browser = Devtools()
            browser.send("Browser.crashGpuProcess")
            time.sleep(0.2)
        except ConnectionError:
            continue
    return {"works": works()}


def launches_ten(site):
    answers = []
    for _ in range(10):
        status, _, connection = request("POST", "/fyke/launch", LAUNCH, keep=True)
        answers.append(status)
        kept.append(connection)
    return {"launched": answers.count(200), "refused": answers.count(503)}


def leaves_a_launched_one(site):
    """The program that launched it is killed, and another one outlives the Worker's process."""
    for _ in range(2):
        child = subprocess.Popen(RELAY, start_new_session=True, stderr=subprocess.PIPE)
        while b"DevTools listening on" not in (line := child.stderr.readline()):
            if not line:
                raise RuntimeError("the program has ended")
        kept.append(child)
    kept[0].kill()
    kept[0].wait()
    until = time.monotonic() + 10
    while instance(1) != 404 and time.monotonic() < until:
        time.sleep(0.05)
    return {"first": instance(1), "second": instance(2)}


def instance(number):
    """The status of the answer of a launched one; 503 while it ends, then 404."""
    return request("GET", f"/fyke/instance/{number}/json/version")[0]


def leaves_sessions(site):
    """Of WebDriver, without the request that ends them."""
    answers = [request("POST", "/session", SESSION) for _ in range(5)]
    return {"created": sum(status == 200 for status, _ in answers), "last": answers[-1][0]}


def connects_after_the_signal(site):
    def again(*_):
        while True:
            browser = Devtools()
            browser.page()
            kept.append(browser)
            time.sleep(0.1)

    signal.signal(signal.SIGTERM, again)
    if os.fork() == 0:  # and by a process that nothing has started
        os.setsid()
        again()
    CoreSDK.Result.push_data({"works": works()})
    while True:
        signal.pause()

"""Misuse of the browser port: connections, heads and frames."""

import json
import time

from devtools import Devtools, connect, frame, works

MIB = 2**20


def opens_200_connections(site):
    opened, refused = [], 0
    for _ in range(200):
        try:
            opened.append(Devtools())
        except OSError:  # closed at once, or with an answer
            refused += 1
    for browser in opened:
        browser.connection.close()
    time.sleep(0.5)
    return {"opened": len(opened), "refused": refused, "works": works()}


def sends_half_a_head(site):
    connections = [connect() for _ in range(10)]
    for connection in connections:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: browser\r\nUpgrade: web")
    ends = [ended(connection) for connection in connections]
    return {"ended": sum(ends), "works": works()}


def ended(connection):
    """Whether the other side closes the connection."""
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


def sends_64_mib(site):
    """In one message, which is a command as any other."""
    browser = Devtools()
    text = json.dumps({"id": 1, "method": "Browser.getVersion", "params": {"x": "y" * 64 * MIB}})
    answer = ""
    try:
        browser.connection.sendall(frame(text.encode()))
        answer = "error" if "error" in browser.receive() else "result"
    except OSError:
        answer = "closed"
    return {"answer": answer, "works": works()}


def sends_a_frame_without_mask(site):
    browser = Devtools()
    browser.connection.sendall(frame(b'{"id":1,"method":"Browser.getVersion"}', masked=False))
    return {"closed": ended(browser.connection), "works": works()}


def never_reads(site):
    """Asks for a gigabyte of answers."""
    browser = Devtools()
    session = browser.page()
    browser.connection.settimeout(5)
    sent = 0
    try:
        while sent < 1000:
            browser.send(
                "Runtime.evaluate", session, expression="'x'.repeat(2 ** 20)", returnByValue=True
            )
            sent += 1
    except (TimeoutError, ConnectionError):
        pass
    time.sleep(5)
    return {"sent": sent > 10, "works": works()}

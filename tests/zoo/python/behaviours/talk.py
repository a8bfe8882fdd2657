"""Output, the SDK's port, and the network."""

import concurrent.futures
import os
import signal
import socket
import sys
import time

from sdk import CoreSDK

MIB = 2**20
ROW = {"n": 1}
SDK = ("127.0.0.1", 20086)


def push(row):
    CoreSDK.Result.push_data(row)


def floods_without_a_line_end():
    for _ in range(40):
        sys.stdout.write("x" * MIB)
    sys.stdout.flush()
    return ROW


def floods_without_a_word():
    for _ in range(200):
        sys.stdout.write("\n" * 20_000)
    sys.stdout.flush()
    return ROW


def prints_control_bytes():
    sys.stdout.buffer.write(bytes(range(256)) * 50 + b"\n")
    sys.stdout.buffer.write(b'\x1b]0;title\x07\x1b[2J\x1b[31m {"level": "fake"}\r\n')
    sys.stdout.buffer.write("\u202egnp.exe \u2028 \u2066".encode() + b"\n")
    sys.stdout.flush()
    return ROW


def closes_its_output():
    os.close(1)
    os.close(2)
    return ROW


def prints_after_the_signal():
    def last(*_):
        print("the last words", flush=True)
        sys.exit(0)

    signal.signal(signal.SIGTERM, last)
    push(ROW)
    time.sleep(600)


def pushes_after_the_signal():
    def last(*_):
        push({"n": 2})
        os._exit(0)

    signal.signal(signal.SIGTERM, last)
    push(ROW)
    time.sleep(600)


def pushes_on_and_on_after_the_signal():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        push(ROW)
        time.sleep(0.5)


def sends_garbage():
    for garbage in (
        b"\0" * 65536,
        b"GET / HTTP/1.1\r\n\r\n",
        os.urandom(65536),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 65536,
    ):
        with socket.create_connection(SDK, 10) as connection:
            try:
                connection.sendall(garbage)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
            except OSError:
                continue
    return ROW


def calls_with_too_much():
    try:
        CoreSDK.Log.info("x" * (70 * MIB))
        met = "none"
    except Exception as error:
        met = type(error).__name__
    return {"met": met != "none"}


def connects_ten_thousand_times():
    def connect(_):
        try:
            with socket.create_connection(SDK, 10) as connection:
                connection.send(b"PRI")
        except OSError:
            pass

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        list(pool.map(connect, range(10_000)))
    return ROW


def holds_connections():
    held = []
    for _ in range(200):
        try:
            held.append(socket.create_connection(SDK, 2))
        except OSError:
            break
    time.sleep(0.5)
    push(ROW)
    push({"n": len(held) > 30})


def pushes_nonsense():
    refused = 0
    for row in (
        None,
        True,
        7,
        "",
        [],
        [[[]]],
        {"": {}},
        {"__coreclaw_upsert_key__": {}},
        {"a": "\udfff"},
        {"n": 10**400},
        {"x": "y" * (9 * MIB)},
    ):
        try:
            push(row)
        except Exception:
            refused += 1
    return {"refused": refused > 0}


def knocks_at_the_machine():
    met = set()
    for address in (
        ("127.0.0.1", 8100),
        ("169.254.169.254", 80),
        ("192.0.2.1", 80),
        ("10.0.0.1", 22),
        ("127.0.0.1", 5432),
    ):
        try:
            socket.create_connection(address, 3).close()
            met.add("connected")
        except OSError as error:
            met.add(type(error).__name__)
    return {"met": sorted(met)}


def speaks_to_the_proxy_in_riddles():
    for words in (
        b"\x05\xff" + b"\2" * 255,
        b"\x05\1\0",
        b"GET http://a" + b"/" * 70_000,
        b"CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n",
        b"\x04\1\0\x50\x7f\0\0\1x\0",
        b"\0",
    ):
        with socket.create_connection(("127.0.0.1", 1080), 10) as connection:
            connection.settimeout(10)
            try:
                connection.sendall(words)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
            except OSError:
                continue
    return ROW

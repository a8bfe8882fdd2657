"""Run a Worker from start to file: start, callback, poll, page, export.

    pip install requests
    FYKE_KEY=... FYKE_WORKER=owner/website-content-crawler python run.py results.csv

See ../README.md for the variables.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import requests

URL = os.environ.get("FYKE_URL", "http://127.0.0.1:8100")
KEY = os.environ["FYKE_KEY"]
WORKER = os.environ["FYKE_WORKER"]
INPUT = json.loads(os.environ.get("FYKE_INPUT", "{}"))
SECRET = os.environ.get("FYKE_WEBHOOK_SECRET", "")
PORT = int(os.environ.get("FYKE_CALLBACK_PORT", "8099"))
FILE = sys.argv[1] if len(sys.argv) > 1 else "results.csv"

SUCCEEDED, FINAL = 3, {3, 4, 5}
PAGE_SIZE = 100

session = requests.Session()
session.headers["api-key"] = KEY


def call(path, body):
    """POST and return ``data``; wait and try again while the platform says "too many requests"."""
    for attempt in range(6):
        response = session.post(URL + path, json=body, timeout=30)
        answer = response.json()
        if answer["code"] == 4290 and attempt < 5:
            time.sleep(int(response.headers.get("Retry-After", 2**attempt)))
            continue
        if answer["code"] != 0:
            raise SystemExit(f"{path}: {answer['code']} {answer['message']}")
        return answer["data"]


def is_genuine(headers, body):
    """Standard Webhooks: HMAC-SHA256 over id, time and body, no older than five minutes."""
    try:
        sent_at = int(headers["webhook-timestamp"])
    except (KeyError, TypeError, ValueError):
        return False
    if abs(time.time() - sent_at) > 300:
        return False
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{sent_at}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    given = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(expected.encode(), one.encode()) for one in given)


class Receiver(BaseHTTPRequestHandler):
    """Takes callbacks. The same one may come twice: compare ``webhook-id``."""

    received = {}
    ended = threading.Event()

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if not is_genuine(self.headers, body):
            self.send_response(401)
            self.end_headers()
            return
        self.send_response(204)
        self.end_headers()
        payload = json.loads(body)
        Receiver.received[payload["run_slug"]] = payload["run_status"]
        if payload["status"] in FINAL:
            Receiver.ended.set()

    def log_message(self, *args):
        pass


def main():
    callback_url = ""
    if SECRET:
        server = HTTPServer(("127.0.0.1", PORT), Receiver)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        callback_url = f"http://127.0.0.1:{PORT}/callback"

    started = call(
        "/api/v1/scraper/run",
        {
            "scraper_slug": WORKER,
            "is_async": True,
            "callback_url": callback_url,
            "input": {"parameters": {"custom": INPUT}},
        },
    )
    run = started["run_slug"]
    print(f"started {run}")

    while True:
        detail = call("/api/v1/run/detail", {"run_slug": run})
        if detail["status"] in FINAL:
            break
        time.sleep(1)
    if detail["status"] != SUCCEEDED:
        raise SystemExit(f"the run ended with status {detail['status']}: {detail['err_msg']}")
    print(f"succeeded after {detail['duration']} s, {detail['usage']} USD")

    rows, page = [], 1
    while True:
        listed = call(
            "/api/v1/run/result/list",
            {"run_slug": run, "page_index": page, "page_size": PAGE_SIZE},
        )["list"]
        rows += listed
        if len(listed) < PAGE_SIZE:
            break
        page += 1
    print(f"read {len(rows)} rows")

    export = call("/api/v1/run/result/export", {"run_slug": run, "format": "csv"})
    with requests.get(export["download_url"], stream=True, timeout=60) as download:
        download.raise_for_status()
        with open(FILE, "wb") as file:
            for piece in download.iter_content(65536):
                file.write(piece)
    print(f"exported {FILE}")

    if SECRET:
        if not Receiver.ended.wait(30):
            raise SystemExit("no callback came")
        print(f"callback says {Receiver.received[run]}")


main()

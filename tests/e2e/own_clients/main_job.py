"""The main job with the installed client: publish, start, follow, read, export, verify, load.

Arguments: the ZIP of a project, a folder for files. FYKE_URL and FYKE_KEY name the server. Prints
what it saw as JSON.
"""

import asyncio
import json
import queue
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import fyke_client
from fyke_client import (
    ApiError,
    AsyncFyke,
    ClientError,
    Fyke,
    InvalidSignature,
    RunFailed,
    verify_webhook,
)
from fyke_client.langchain import FykeLoader
from fyke_client.llama_index import FykeReader

project, folder = sys.argv[1:]
seen = {"from": fyke_client.__file__, "version": list(sys.version_info[:2])}
callbacks: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        callbacks.put((dict(self.headers), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


receiver = HTTPServer(("127.0.0.1", 0), Receiver)
Thread(target=receiver.serve_forever, daemon=True).start()

with Fyke() as fyke:
    worker = fyke.push_worker(project, name=f"main-job-{seen['version'][1]}").path
    seen["worker"] = worker
    seen["fields"] = [field["name"] for field in fyke.input_schema(worker)["properties"]]
    started: list[str] = []
    seen["rows"] = fyke.run_and_collect(worker, {"last": 3}, timeout=120, on_start=started.append)
    seen["started"] = started == [next(fyke.runs(worker=worker)).slug]

    address = f"http://127.0.0.1:{receiver.server_port}/"
    run = fyke.start(worker, {"last": 2}, callback_url=address)
    seen["followed"] = [row["n"] for row in fyke.follow_rows(run)]
    seen["kinds"] = sorted({event.kind for event in fyke.follow(run)})
    seen["status"] = fyke.wait(run, 60).status_name
    seen["log"] = [entry.content for entry in fyke.logs(run) if "counted" in entry.content]
    seen["selected"] = [row["n"] for row in fyke.rows(run, sort="-n", fields=["n"])]
    seen["file"] = fyke.export_to(run, Path(folder) / "rows.csv", keys=["n"]).read_text()

    secret = fyke.account().webhook_secret
    headers, body = callbacks.get(timeout=60)
    seen["callback"] = verify_webhook(secret, headers, body)["run_slug"] == run
    try:
        verify_webhook(secret, headers, body + b" ")
    except InvalidSignature as error:
        seen["forged"] = isinstance(error, ClientError)

    try:
        fyke.start(worker, {"last": "many"})
    except ApiError as error:
        about = any("last" in line for line in error.details)
        seen["refused"] = [error.status, error.code, about, len(error.request_id)]
    try:
        fyke.run_and_collect(worker, {"last": -1}, timeout=120)
    except RunFailed as error:
        seen["failed"] = error.run.status_name

    seen["pandas"] = fyke.to_pandas(run)["n"].tolist()
    seen["polars"] = fyke.to_polars(run, sort="-n")["n"].to_list()
    loaded = FykeLoader(run, "text", metadata=["n"], client=fyke).load()
    seen["langchain"] = [(each.page_content, each.metadata["n"]) for each in loaded]
    read = FykeReader(fyke).load_data(run, "text", metadata=["n"])
    seen["llama_index"] = [(each.text, each.metadata["n"]) for each in read]


async def collected() -> list[int]:
    async with AsyncFyke() as fyke:
        runs = [fyke.run_and_collect(worker, {"last": n}, timeout=120) for n in (1, 2)]
        return [len(rows) for rows in await asyncio.gather(*runs)]


seen["asynchronous"] = asyncio.run(collected())
print(json.dumps(seen))

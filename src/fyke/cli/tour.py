"""The tour: a complete job step by step, with every request as a curl command to copy.

By default it crawls Python's own documentation server, which is started on loopback and which only
this run may reach; with a browser it starts at a page there that needs JavaScript. With nodes the
run has many start pages, each a subtask, and the last line says how many each machine ran.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import time
from collections import Counter
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2
from rich.console import Console

from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.tour_site import MODULES, SCRIPTED_PAGE, documentation
from fyke.settings import Settings

WORKER = "website-content-crawler"
PAGES = 12
MOST_ROWS = 100
POLL_SECONDS = 0.5
RUN_SECONDS = 240
NODE_SECONDS = 180
TAKES_RUNS = ("ready", "operator_only")  # availabilities
TERMINAL = {3: "succeeded", 4: "failed", 5: "aborted"}


class Tour:
    """The steps: search, schema, start, poll, page, export, log, balance."""

    def __init__(
        self,
        settings: Settings,
        base: str,
        url: str | None,
        *,
        browser: bool = False,
        nodes: int = 0,
    ) -> None:
        """``browser``: pages that need it are opened in one. ``nodes``: how many the job waits
        for, and is spread over.
        """
        self._settings = settings
        self._base = base
        self._url = url
        self._browser = browser
        self._nodes = nodes
        self._rendered = False  # whether a row of such a page was shown
        self._console = Console(stderr=False, highlight=False)
        self._key = settings.owner_key_file.read_text().strip()
        self._http = httpx2.Client(base_url=base, timeout=30, headers={"api-key": self._key})

    def run(self) -> int:
        """Run every step; return 0 only if the run has rows and both exports contain them."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._http)
            url, allow = self._url, []
            if url is None:
                url = stack.enter_context(documentation(scripted=self._browser))
                allow = [urlsplit(url).netloc]
                self._say(f"Python's own documentation server runs at {url}, for this tour only.")
            if self._nodes:
                self._wait_for_nodes()
            slug = self._find_worker()
            self._read_schema(slug)
            run = self._start(slug, url, allow)
            status = self._poll(run)
            rows = self._page(run)
            exported_rows = self._export_both(run)
            self._read_log(run)
            self._balance()
            machines = self._machines(run) if self._nodes else {}
        code = self._verdict(status, rows, exported_rows)
        if machines:
            numbers = ", ".join(f"{name} {number}" for name, number in machines.items())
            self._say(f"Subtasks that each machine ran: {numbers}")
        return code

    # --- the steps ----------------------------------------------------------------------

    def _wait_for_nodes(self) -> None:
        """Raises ``CommandFailed`` if fewer nodes take runs in time."""
        self._say(f"Waiting until {self._nodes} nodes take runs.")
        deadline = time.monotonic() + NODE_SECONDS
        while len(ready := self._ready_nodes()) < self._nodes:
            if time.monotonic() > deadline:
                raise CommandFailed(
                    f"Only {len(ready)} of {self._nodes} nodes take runs after {NODE_SECONDS} s "
                    f"({self._states()}); each has a log, nodes/NAME/node.log in the data folder. "
                    "One that was drained or cordoned takes runs again after fyke node uncordon",
                    Exit.TIMEOUT,
                )
            time.sleep(POLL_SECONDS)

    def _ready_nodes(self) -> list[str]:
        nodes = self._call("GET", "/api/fyke/nodes", None)["list"]
        return [str(node["name"]) for node in nodes if node["availability"] in TAKES_RUNS]

    def _states(self) -> str:
        nodes = self._call("GET", "/api/fyke/nodes", None)["list"]
        states = [f"{node['name']}: {node['availability'].replace('_', ' ')}" for node in nodes]
        return ", ".join(states) or "none has joined"

    def _machines(self, run: str) -> dict[str, int]:
        """How many subtasks of the run each machine has executed, by its name."""
        subtasks = self._call("GET", f"/api/fyke/runs/{run}/subtasks", None)["list"]
        ran = Counter(s["attempts"][-1]["node"] for s in subtasks if s["attempts"])
        return dict(sorted(ran.items()))

    def _find_worker(self) -> str:
        self._step(1, "Search the catalog")
        data = self._get("/api/store", {"search": "crawler", "limit": "5"})
        for worker in data["scraper"]:
            self._say(f"  {worker['slug']}  {worker['path']}: {worker['title']}")
        matches = [w for w in data["scraper"] if w["name"] == WORKER]
        if not matches:
            raise CommandFailed(f"The Worker {WORKER} is not in the catalog", Exit.NOT_FOUND)
        return str(matches[0]["slug"])

    def _read_schema(self, slug: str) -> None:
        self._step(2, "Read its schema")
        data = self._get("/api/scraper", {"slug": slug})
        self._say(f"  version {data['version']}; input fields:")
        for field in data["parameters"]["custom"]["properties"]:
            need = "required" if field.get("required") else "optional"
            self._say(f"  {field['name']} ({field.get('type')}, {need}): {field.get('title', '')}")

    def _start(self, slug: str, url: str, allow: list[str]) -> str:
        self._step(3, "Start a run")
        system: dict[str, Any] = {"memory": 512, "execute_limit_time_seconds": 180}
        if allow:
            system["egress_allow"] = allow
        pages = [url]
        if self._nodes and self._url is None:
            pages += [urljoin(url, f"/{module}.html") for module in MODULES]
        custom: dict[str, Any] = {"start_urls": [{"url": page} for page in pages]}
        custom |= {"max_results": max(PAGES // len(pages), 1), "max_depth": 1}
        if self._browser:
            custom["render"] = "auto"
        body = {
            "scraper_slug": slug,
            "is_async": True,
            "input": {"parameters": {"system": system, "custom": custom}},
        }
        run = str(self._post("/api/v1/scraper/run", body)["run_slug"])
        self._say(f"  run {run}")
        return run

    def _poll(self, run: str) -> int:
        self._step(4, "Poll it")
        self._curl("POST", "/api/v1/run/detail", {"run_slug": run})
        deadline = time.monotonic() + RUN_SECONDS
        last = ""
        while True:
            data = self._call("POST", "/api/v1/run/detail", {"run_slug": run})
            status = int(data["status"])
            state = TERMINAL.get(status, "running" if status == 2 else "waiting")
            line = f"  {state}, {data['results']} rows, {data['traffic']} bytes of traffic"
            if line != last:
                self._say(line)
                last = line
            if status in TERMINAL:
                if data["err_msg"]:
                    self._say(f"  {data['err_msg']}")
                return status
            if time.monotonic() > deadline:
                raise CommandFailed(f"The run did not end within {RUN_SECONDS} s", Exit.TIMEOUT)
            time.sleep(POLL_SECONDS)

    def _page(self, run: str) -> int:
        self._step(5, "Page the results")
        body = {"run_slug": run, "page_index": 1, "page_size": 5}
        data = self._post("/api/v1/run/result/list", body)
        self._say(f"  {data['count']} rows; the first ones:")
        for row in data["list"]:
            self._show(row)
        if self._browser and not self._rendered and int(data["count"]) > len(data["list"]):
            self._show_browser_row(run, len(data["list"]))
        return int(data["count"])

    def _show(self, row: dict[str, Any]) -> None:
        title = str(row.get("title") or "")[:60]
        self._say(f"  {row.get('status')}  {row.get('url')}  {title}")
        if row.get("rendered"):
            self._show_rendered(row)
        elif row.get("error"):
            self._say(f"    {row['error']}")

    def _show_browser_row(self, run: str, shown: int) -> None:
        """Show the row of the page that needs a browser if it is not among the first: rows are in
        the order in which they arrived, and that page takes the longest.
        """
        body = {"run_slug": run, "page_index": 1, "page_size": MOST_ROWS}
        rows = self._call("POST", "/api/v1/run/result/list", body)["list"][shown:]
        found = [row for row in rows if row.get("rendered")]
        found += [row for row in rows if urlsplit(str(row.get("url"))).path == SCRIPTED_PAGE]
        if found:
            self._say("  and that of the page that needs a browser:")
            self._show(found[0])

    def _show_rendered(self, row: dict[str, Any]) -> None:
        self._rendered = True
        self._say("    Its text was made by a script, in a browser. It begins with:")
        for line in str(row.get("text")).split("\n\n")[:4]:
            self._say(f"    | {' '.join(line.split())[:100]}")

    def _export_both(self, run: str) -> list[int]:
        self._step(6, "Export them as CSV and as JSON")
        return [self._export(run, "csv"), self._export(run, "json")]

    def _export(self, run: str, format: str) -> int:
        data = self._post("/api/v1/run/result/export", {"run_slug": run, "format": format})
        link = data["download_url"]
        self._print(f"$ curl -sS -o results.{format} {shlex.quote(link)}")
        content = httpx2.get(link, timeout=60).raise_for_status().text
        rows = rows_in(content, format)
        self._say(f"  {len(content.encode())} bytes, {rows} rows")
        return rows

    def _read_log(self, run: str) -> None:
        self._step(7, "Read the log")
        data = self._post("/api/v1/run/last/log", {"run_slug": run})
        for entry in data["list"][-6:]:
            self._say(f"  {entry['content'][:110]}")

    def _balance(self) -> None:
        self._step(8, "Print the balance")
        data = self._post("/api/v1/account/info", {})
        self._say(f"  balance {data['balance']} USD, {data['traffic']} bytes of traffic left")

    def _verdict(self, status: int, rows: int, exported_rows: list[int]) -> int:
        if self._browser and self._url is None and not self._rendered:
            self._say(
                "\nThe job did not work: no page was opened in a browser; see the rows above."
            )
            return Exit.FAILED
        if status == 3 and rows > 0 and exported_rows == [rows, rows]:
            self._say(f"\nThe whole job is done: {rows} rows, in both exports.")
            return Exit.OK
        self._say(
            f"\nThe job did not work: status {TERMINAL[status]}, {rows} rows, "
            f"{exported_rows[0]} in the CSV and {exported_rows[1]} in the JSON export."
        )
        return Exit.FAILED

    # --- requests -----------------------------------------------------------------------

    def _get(self, path: str, query: dict[str, str]) -> Any:
        target = f"{path}?{httpx2.QueryParams(query)}"
        self._curl("GET", target, None)
        return self._call("GET", target, None)

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        self._curl("POST", path, body)
        return self._call("POST", path, body)

    def _call(self, method: str, target: str, body: dict[str, Any] | None) -> Any:
        answer = self._http.request(method, target, json=body).json()
        if answer["code"] != 0:
            details = "; ".join(answer.get("details") or [])
            raise CommandFailed(f"{target}: {answer['code']} {answer['message']} {details}")
        return answer["data"]

    def _curl(self, method: str, target: str, body: dict[str, Any] | None) -> None:
        if method == "GET":
            self._print(f"$ curl -sS {shlex.quote(self._base + target)}")
            return
        key = f'"api-key: $(cat {shlex.quote(str(self._settings.owner_key_file))})"'
        text = shlex.quote(json.dumps(body, ensure_ascii=False))
        self._print(f"$ curl -sS {self._base + target} -H {key} \\\n    -d {text}")

    # --- printing -----------------------------------------------------------------------

    def _step(self, number: int, title: str) -> None:
        self._console.print(f"\n[bold]{number}. {title}[/bold]")

    def _print(self, text: str) -> None:
        self._console.print(text, style="cyan", markup=False, soft_wrap=True)

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)


def rows_in(content: str, format: str) -> int:
    """The number of rows in an export."""
    if format == "json":
        return len(json.loads(content))
    import csv
    import io

    return max(0, sum(1 for _ in csv.reader(io.StringIO(content, newline=""))) - 1)

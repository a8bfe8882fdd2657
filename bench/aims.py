"""The aims of Fyke's speed, each with its figure, its limit and its peers, and their table.

A limit is the same work without Fyke. Conditions compare a value, or a value divided by another one
or by the first limit, with a number: ``p50_ms <= 20``, ``p99_ms/p50_ms <= 3``,
``rate_per_s/limit >= 0.5``.
"""

from __future__ import annotations

import operator
import re
from collections import Counter
from dataclasses import dataclass
from functools import partial

from markdown_tables import header, row
from records import Figure, Takes, amount, shown

OPERATORS = {"<=": operator.le, ">=": operator.ge}
CONDITION = re.compile(r"(\w+)(?:/(\w+))? (<=|>=) ([\d.]+)")
JOBS = "peer_jobs"


@dataclass(frozen=True)
class Beside:
    """Another figure of the same kind."""

    label: str
    script: str
    name: str
    value: str

    def found(self, takes: Takes) -> Figure | None:
        return takes.find(self.script, self.name, self.value)

    def text(self, takes: Takes) -> str:
        found = self.found(takes)
        measured = amount(self.value, found.values[self.value]) if found else "not measured"
        return f"{self.label} {measured}"


@dataclass(frozen=True)
class Row:
    """A figure with its aims. ``values`` are those that are shown, the first of them always there;
    ``aims`` are conditions, divided by commas.
    """

    area: str
    title: str
    script: str
    name: str
    values: str
    aims: str = ""
    limits: tuple[Beside, ...] = ()
    peers: tuple[Beside, ...] = ()

    def found(self, takes: Takes) -> Figure | None:
        return takes.find(self.script, self.name, self.values.split()[0])


def first_line(name: str) -> Beside:
    return Beside(name, JOBS, f"{name}: to the first line", "p50_ms")


def result(name: str) -> Beside:
    return Beside(name, JOBS, f"{name}: to the result", "p50_ms")


def drained(name: str) -> Beside:
    return Beside(name, JOBS, f"{name}: drained", "rate_per_s")


def idle(name: str) -> Beside:
    return Beside(name, JOBS, f"{name}: idle", "pss_mib")


SCRAPYD, FAST_SCRAPYD = "scrapyd", "scrapyd, poll_interval 0.1"
NODE, PYTHON = "apify run, Node.js", "apify run, Python"
LISTJOBS = Beside(
    "scrapyd `listjobs.json`", JOBS, f"{FAST_SCRAPYD}: listjobs.json, 32 connections", "rate_per_s"
)
FLOW_RUN = Beside("Prefect", JOBS, "Prefect: flow_runs/ID, 32 connections", "rate_per_s")
NODE_ROWS, PYTHON_ROWS = (
    Beside(name, JOBS, f"{name}: rows, one at a time", "rate_per_s") for name in (NODE, PYTHON)
)
STARTED = ("rq", FAST_SCRAPYD, SCRAPYD, NODE, PYTHON, "Prefect")
STARTS = tuple(map(first_line, STARTED))
RESULTS = tuple(map(result, STARTED))
DRAINS = tuple(map(drained, ("rq", FAST_SCRAPYD, SCRAPYD)))
MEMORY = (idle("rq"), idle(FAST_SCRAPYD), idle("Prefect"))
BARE_READ = Beside(
    "bare ASGI, same read", "reads", "32 connections: limit: bare ASGI, 64 runs", "rate_per_s"
)
DIRECT = Beside("direct", "egress", "one connection, direct", "rate_mb_per_s")
DIRECT_NEW = Beside("direct", "egress", "new connections, direct", "rate_per_s")
LOOP = Beside(
    "plain loop over sqlite3", "rows_store", "1000 rows a commit: plain loop over sqlite3",
    "rate_per_s",
)  # fmt: skip
AIO = Beside("grpc.aio", "sdk_service", "grpc.aio", "rate_per_s")


def nothing(durability: str) -> Beside:
    return Beside("storing nothing", "rows", f"SDK service storing nothing, {durability}",
                  "rate_per_s")  # fmt: skip


start = partial(Row, "start", script="start")
sync = partial(Row, "sync call", script="sync_call")
drain = partial(Row, "queue", script="drain", values="rate_per_s")
nodes = partial(Row, "nodes", script="nodes")
rows = partial(Row, "rows", script="rows")
reads = partial(Row, "reads", script="reads", values="rate_per_s p99_ms cpu_us")
page = partial(Row, "reads", script="reads", values="p99_ms rate_per_s cpu_us", aims="p99_ms <= 10")


def tables(name: str, value: str, *programs: str) -> tuple[Beside, ...]:
    return tuple(Beside(each, "peer_tables", f"{each}: {name}", value) for each in programs)


def order(title: str, name: str) -> Row:
    peers = tables(name, "elapsed_s", "DuckDB", "polars")
    values, aim = "elapsed_s cpu_s", "elapsed_s <= 1"
    return Row("sort, filter", title, "orders", name, values, aim, peers=peers)


CSV_PEERS = tables("csv", "rate_per_s", "DuckDB", "polars", "Python csv")

ROWS = (
    start("POST to first line, warm", name="POST to first line, up to 4 warm",
          values="p50_ms p99_ms", aims="p50_ms <= 20, p99_ms/p50_ms <= 3", peers=STARTS),
    start("POST to first line, cold", name="POST to first line, cold", values="p50_ms p99_ms",
          aims="p50_ms <= 40, p99_ms/p50_ms <= 3", peers=STARTS,
          limits=(Beside("`python -c 'import grpc'`", "start", "python -c 'import grpc'",
                         "p50_ms"),)),
    start("POST to first SDK call, warm", name="POST to first call, up to 4 warm", values="p50_ms"),
    start("POST to end of the run, warm", name="POST to end of the run, up to 4 warm",
          values="p50_ms"),
    Row("start", "share of the sandbox in a cold start", "sandbox", "share of the sandbox",
        "p50_ms", "p50_ms <= 30"),
    sync("one core, warm, a call every 200 ms", name="one core, up to 4 warm, every 200 ms",
         values="p50_ms p99_ms", aims="p50_ms <= 50, p99_ms/p50_ms <= 3", peers=RESULTS),
    sync("one core, warm, calls back to back", name="one core, up to 4 warm",
         values="p50_ms p99_ms", aims="p50_ms <= 50", peers=RESULTS),
    sync("smallest device, warm, back to back", name="smallest device, up to 4 warm",
         values="p50_ms", aims="p50_ms <= 50"),
    sync("one core, cold, back to back", name="one core, cold", values="p50_ms"),
    Row("browser", "connection to first page, warm", "browser", "connection to first page, warm",
        "p50_ms p99_ms", "p50_ms <= 150"),
    Row("browser", "connection to first page, cold", "browser", "connection to first page, cold",
        "p50_ms p99_ms", "p50_ms <= 600"),
    Row("browser", "the same, six runs at once", "browser",
        "connection to first page, 6 runs at once", "p50_ms p99_ms"),
    Row("browser", "next page in the same browser", "browser",
        "next page in the same browser, warm", "p50_ms"),
    Row("abort", "until nothing is left", "abort", "nothing left, ends by SIGTERM",
        "p99_ms p50_ms", "p99_ms <= 300"),
    Row("abort", "a Worker that ignores SIGTERM, from SIGKILL on", "abort",
        "nothing left, ignores SIGTERM, after the SIGKILL", "p99_ms p50_ms", "p99_ms <= 300"),
    drain("Python, one row each", name="python-row", aims="rate_per_s >= 30", peers=DRAINS),
    drain("Go", name="go", aims="rate_per_s >= 45"),
    drain("Python, empty", name="python"),
    nodes("POST to first line on a node, above the own runner",
          name="node: POST to first line, above the own runner", values="p50_ms",
          aims="p50_ms <= 30"),
    nodes("200 trivial runs, by three nodes against the own runner",
          name="nodes: drained, against the own runner", values="ratio", aims="ratio >= 0.9"),
    nodes("token, join and start until a node takes runs, warm caches",
          name="joined, with warm caches", values="elapsed_s", aims="elapsed_s <= 10"),
    nodes("idle node", name="idle node", values="pss_mib", aims="pss_mib <= 80"),
    rows("one Worker, `process`", name="one Worker against storing nothing, process",
         values="ratio", aims="ratio >= 0.8", limits=(nothing("process"),)),
    rows("one Worker, `disk`: time above storing nothing", name="p50 above storing nothing, disk",
         values="more_syncs more_us", aims="more_syncs <= 1.2"),
    rows("one Worker, `process`, rate", name="one Worker, process", values="rate_per_s",
         limits=(nothing("process"),), peers=(NODE_ROWS, PYTHON_ROWS)),
    rows("one Worker, `disk`, rate", name="one Worker, disk", values="rate_per_s",
         limits=(nothing("disk"),), peers=(NODE_ROWS, PYTHON_ROWS)),
    rows("eight Workers, `disk`", name="8 Workers at once, disk", values="rate_per_s",
         aims="rate_per_s >= 5000"),
    rows("CPU of the runner a row, eight Workers, `disk`", name="8 Workers at once, disk",
         values="cpu_us", aims="cpu_us <= 60"),
    Row("rows", "acknowledged to readable, living run", "readable", "acknowledged to readable",
        "p99_ms p50_ms", "p99_ms <= 50"),
    Row("rows", "results store, 1,000 rows a commit", "rows_store", "1000 rows a commit: store",
        "rate_per_s", limits=(LOOP,)),
    Row("rows", "SDK service, nothing stored, 900 bytes", "sdk_service", "fyke",
        "rate_per_s cpu_us", peers=(AIO,)),
    reads("`run/detail`, 64 runs, 32 connections", name="32 connections: run/detail, 64 runs",
          aims="rate_per_s >= 20000, cpu_us <= 50, rate_per_s/limit >= 0.5", limits=(BARE_READ,),
          peers=(LISTJOBS, FLOW_RUN)),
    reads("the same with a commit every 50 ms", limits=(BARE_READ,),
          name="32 connections: run/detail, 64 runs, commits",
          aims="rate_per_s >= 20000, cpu_us <= 50"),
    Row("reads", "`run/detail` with PostgreSQL, 64 runs", "reads_postgresql",
        "32 connections: run/detail, 64 runs", "rate_per_s p99_ms cpu_us"),
    Row("reads", "the same with a commit every 50 ms", "reads_postgresql",
        "32 connections: run/detail, 64 runs, commits", "rate_per_s p99_ms cpu_us"),
    Row("reads", "page of 10 rows with PostgreSQL, anywhere", "reads_postgresql",
        "32 connections: page of 10 rows, anywhere", "p99_ms rate_per_s cpu_us"),
    page("page of 10 rows, anywhere in 1,000,000",
         name="32 connections: page of 10 rows, anywhere"),
    page("page of 10 rows, last", name="32 connections: page of 10 rows, last"),
    Row("rows in files", "page of 10 rows, anywhere", "sealed_rows",
        "page of 10 anywhere, file", "cpu_us", "cpu_us <= 300",
        limits=(Beside("in the database", "sealed_rows", "page of 10 anywhere, database",
                       "cpu_us"),)),
    Row("rows in files", "space, against the database", "sealed_rows", "in the file",
        "smaller_times", "smaller_times >= 8"),
    order("first page by a number, 1,000,000 rows", "price"),
    order("first page by text", "title"),
    order("first page of a filter", "price:lt:10"),
    Row("sort, filter", "following pages of 20, first", "large_run",
        "sort=-price: page of 20, first", "p50_ms", "p50_ms <= 10"),
    Row("sort, filter", "following pages of 20, middle", "large_run",
        "sort=-price: page of 20, middle", "p50_ms", "p50_ms <= 10"),
    Row("export", "CSV, the writer alone", "export", "csv", "rate_per_s grown_mib",
        "rate_per_s >= 400000, grown_mib <= 64", peers=CSV_PEERS),
    Row("export", "CSV, 1,000,000 rows, request to last byte", "large_run", "export csv",
        "rate_per_s first_ms", "rate_per_s >= 250000", peers=CSV_PEERS),
    Row("export", "XLSX, the writer alone", "export", "xlsx", "rate_per_s grown_mib",
        "rate_per_s >= 60000, grown_mib <= 64",
        peers=tables("xlsx", "rate_per_s", "XlsxWriter")),
    Row("export", "Parquet, the writer alone", "export", "parquet", "rate_per_s grown_mib",
        "grown_mib <= 64"),
    Row("export", "XLS, memory", "export", "xls", "grown_mib", "grown_mib <= 64"),
    Row("memory", "whole platform, idle", "idle_memory", "idle: all", "pss_mib", "pss_mib <= 165",
        peers=MEMORY),
    Row("memory", "whole platform after 20 runs", "idle_memory", "after 20 runs: all", "pss_mib"),
    Row("program", "`fyke up` until it answers", "boot", "median of the first answers", "elapsed_s",
        "elapsed_s <= 2"),
    Row("program", "`fyke --help`", "commands", "fyke --help", "p50_ms", "p50_ms <= 100"),
    Row("program", "`fyke run list`", "commands", "fyke run list", "p50_ms", "p50_ms <= 150"),
    Row("egress", "one connection", "egress", "one connection, proxied",
        "rate_mb_per_s ratio", "ratio >= 0.4", (DIRECT,)),
    Row("egress", "new connections", "egress", "new connections, proxied", "rate_per_s",
        "rate_per_s >= 2000", (DIRECT_NEW,)),
    Row("isolation", "a quiet Worker beside eight that use up resources", "neighbours",
        "slower by", "median_times", "median_times <= 1.5"),
    Row("isolation", "calls of a Worker beside floods, the worst", "flood",
        "over twice the quiet p50", "worst_times", "worst_times <= 2"),
    Row("isolation", "`/healthz` under hostile texts, the slowest", "hostile_texts",
        "slowest under any load", "p99_ms", "p99_ms <= 100"),
    Row("history", "operations (of 65) slower with 200,000 runs than with 1,000", "history",
        "operations that became slower", "slower_count", "slower_count <= 0"),
    Row("console", "the slowest page, 1,000,000 runs, CPU time", "console_pages", "slowest page",
        "p95_cpu_ms", "p95_cpu_ms <= 50"),
    Row("console", "pages that need more than that", "console_pages", "pages over the aim",
        "over_count", "over_count <= 0"),
    Row("console", "first load of a page, without the font", "console_pages",
        "largest first load", "transferred_kb", "transferred_kb <= 60"),
    Row("console", "first load of a page, with the font", "console_pages",
        "largest first load, with the font", "transferred_kb", "transferred_kb <= 110"),
    Row("suite", "`script/test fast`", "suite", "script/test fast", "elapsed_s",
        "elapsed_s <= 60"),
    Row("suite", "`.ci/run` from a fresh clone", "suite", ".ci/run", "elapsed_s",
        "elapsed_s <= 360"),
    Row("suite", "mutants of pure rules detected", "mutants", "detected", "killed_percent",
        "killed_percent >= 90"),
)  # fmt: skip

# --- the table --------------------------------------------------------------------------------


def aim_text(condition: str) -> str:
    value, divisor, sign, bound = parts(condition)
    least = "at least" if sign == ">=" else "at most"
    if divisor == "limit" or value == "ratio":
        return f"{least} {bound:g} of the limit"
    name = value.partition("_")[0]
    words = {"p50": "p50 ", "p95": "p95 ", "p99": "p99 ", "cpu": "CPU ", "grown": "memory "}
    if divisor:
        return f"{words[name]}{least} {bound:g} times {divisor.partition('_')[0]}"
    return f"{words.get(name, '')}{least} {amount(value, bound)}"


def parts(condition: str) -> tuple[str, str, str, float]:
    found = CONDITION.fullmatch(condition)
    if not found:
        raise ValueError(f"not a condition: {condition}")
    return found[1], found[2] or "", found[3], float(found[4])


def missed(each: Row, figure: Figure, takes: Takes) -> list[str]:
    """The texts of the aims that are missed."""
    found = []
    for condition in each.aims.split(", ") if each.aims else ():
        value, divisor, sign, bound = parts(condition)
        measured = figure.values[value]
        if divisor:
            by, name = figure, divisor
            if divisor == "limit":
                by, name = each.limits[0].found(takes), each.limits[0].value
            if by is None:
                continue
            measured /= by.values[name]
        if not OPERATORS[sign](measured, bound):
            found.append(aim_text(condition))
    return found


def met(each: Row, figure: Figure | None, takes: Takes) -> str:
    if not each.aims:
        return ""
    if figure is None:
        return "not known"
    texts = missed(each, figure, takes)
    if not texts:
        return "yes"
    return "**no**" if len(texts) == each.aims.count(",") + 1 else f"**no**: {', '.join(texts)}"


def table(takes: Takes) -> str:
    """The aims, then the takes that the figures come from."""
    lines = header("area", "figure", "aim", "measured", "limit", "peers", "met", "how to repeat")
    for each in ROWS:
        figure = each.found(takes)
        aims = ", ".join(map(aim_text, each.aims.split(", "))) if each.aims else "none"
        lines.append(row(each.area, each.title, aims, measured(each, figure),
                         "; ".join(limit.text(takes) for limit in each.limits),
                         "; ".join(peer.text(takes) for peer in each.peers),
                         met(each, figure, takes), repeated(each, figure)))  # fmt: skip
    used = [figure.take for each in ROWS if (figure := each.found(takes))]
    used = [take for take in takes.takes if take.script in (JOBS, "peer_tables") or take in used]
    [(usual, _), *_] = Counter(take.machine for take in used).most_common(1) or [("", 0)]
    lines += ["", f"Machine, unless another one is named: {usual}.", ""]
    lines += header("command", "taken, UTC", "took", "commit", "load before", "machine")
    for take in used:
        load = "" if take.load is None else f"{take.load:g}"
        other = "" if take.machine == usual else take.machine
        named = take.commit and f"`{take.commit}`"
        took = f"{take.seconds} s" if take.seconds else ""
        lines.append(row(f"`{take.command}`", take.date, took, named, load, other))
    return "\n".join(lines) + "\n"


def measured(each: Row, figure: Figure | None) -> str:
    if figure is None:
        return "not measured"
    names = [name for name in each.values.split() if name in figure.values]
    return ", ".join(shown(name, figure.values[name]) for name in names)


def repeated(each: Row, figure: Figure | None) -> str:
    return f"`{figure.take.command}`, {figure.take.day}" if figure else f"`bench/{each.script}.py`"

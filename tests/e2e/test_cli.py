"""Commands against a running platform: texts, JSON and exit status. Each command is tested once."""

from __future__ import annotations

import ast
import json
import signal
import socket
from pathlib import Path
from typing import Any

import httpx2

from support.commands import Cli, names_of_commands
from support.projects import python_project, zoo
from support.receivers import Reply, listening


def test_the_worker_commands(cli: Cli, hello: Path) -> None:
    assert "owner/hello" in cli.run("worker", "list")[0]
    listed = {worker["path"]: worker for worker in cli.json("worker", "list")}
    assert listed["owner/hello"]["public"] is False
    shown = cli.run("worker", "show", "owner/hello")[0]
    assert "urls" in shown
    detail = cli.json("worker", "show", "owner/hello")
    assert detail["parameters"]["custom"]["properties"][0]["name"] == "urls"
    assert "worker   owner/hello" in cli.run("worker", "push", hello)[0]  # the same content again
    assert [v["version"] for v in cli.json("worker", "versions", "owner/hello")] == ["v1.0.1"]
    assert cli.run("worker", "show", "owner/nothing", code=3)[1].startswith("fyke: Worker does not")
    assert "builds        not allowed" in cli.run("worker", "builds", "owner/hello")[0]
    assert cli.json("worker", "builds", "owner/hello", "--allow") == {
        "allowed": True,
        "versions": [],
    }
    assert "builds        allowed" in cli.run("worker", "builds", "owner/hello")[0]
    assert cli.json("worker", "builds", "owner/hello", "--forbid")["allowed"] is False
    assert "--ref" in cli.run("worker", "push", hello, "--ref", "main", code=2)[1]


def test_a_push_waits_until_the_version_is_ready(cli: Cli, hello: Path, tmp_path: Path) -> None:
    ready = {"state": "ready", "reason": "", "reason_code": "", "reason_params": {}}
    assert cli.json("worker", "push", hello, "--wait")["environment"] == ready
    assert cli.json("worker", "show", "owner/hello")["environment"] == ready
    file = tmp_path / "built.zip"
    file.write_bytes(python_project("print(1)\n", **{"fyke.json": '{"install": "build"}'}))
    words = ("worker", "push", file, "--name", "built", "--wait", "--timeout-seconds", "60")
    out, err = cli.run(*words, code=1)
    assert "ready    no: The dependencies could not be installed" in out
    assert "\nfyke: v1.0.1 was published, but is not ready: The dependencies could" in err
    assert "ready    no: The dependencies" in cli.run("worker", "show", "owner/built")[0]


def test_the_callback_commands(cli: Cli, hello: Path) -> None:
    with listening() as receiver:
        receiver.reply("/x", Reply(410))
        run = cli.json("run", "start", "owner/hello", "--callback", receiver.url("/x"))["slug"]
        [first] = receiver.wait("/x")
        platform = cli.platform
        [gone] = platform.wait_for(
            lambda: [d for d in cli.json("run", "deliveries", run) if d["state"] == "failed"],
            "the record of the answer",
        )
        assert (gone["id"], gone["run_slug"]) == (first.headers["webhook-id"], run)
        assert [tried["status"] for tried in gone["attempts"]] == [410]
        there = f"127.0.0.1:{receiver.port}"
        assert cli.json("callback", "list", "--state", "failed", "--host", there) == [gone]
        for words in (("run", "deliveries", run), ("callback", "list", "--host", there)):
            shown = cli.run(*words)[0]
            assert gone["id"] in shown
            assert "410" in shown
        assert "state" in cli.run("callback", "list", "--state", "lost", code=2)[1]
        again = f"The callback {gone['id']} is being sent to {receiver.url('/x')} again.\n"
        assert cli.run("callback", "replay", gone["id"])[1] == again
        assert receiver.wait("/x", 2)[1].headers["webhook-id"] == gone["id"]
        platform.wait_for(
            lambda: cli.json("callback", "list", "--state", "delivered", "--host", there),
            "its delivery",
        )
        [known] = [r for r in cli.json("callback", "receivers") if r["receiver"].endswith(there)]
        assert (known["receiver"], known["disabled"]) == (f"http://{there}", False)
        assert f"http://{there}" in cli.run("callback", "receivers")[0]
        enabled = f"http://{there} is enabled again. Replay the callbacks that it has missed.\n"
        assert cli.run("callback", "enable", receiver.url("/any"))[1] == enabled
        assert cli.json("callback", "enable", f"http://{there}") == known
        assert "not in a private network" in cli.run("callback", "allow", there, code=2)[1]
    neighbour = "10.20.30.40:5678"
    assert neighbour in cli.run("callback", "allow", neighbour, "--preview")[0]
    assert neighbour not in cli.run("callback", "allowed")[0]
    cli.run("callback", "allow", neighbour)
    assert neighbour in cli.run("callback", "allowed")[0]
    assert neighbour not in cli.run("callback", "disallow", neighbour)[0]
    assert "not found" in cli.run("callback", "replay", "msg_nothing", code=3)[1]


def test_the_webhook_commands(cli: Cli) -> None:
    with listening() as receiver:
        there = receiver.url("/chat/secret-path")
        made = cli.json("webhook", "add", "team", "--channel", "slack", stdin=f"{there}\n")
        assert made["secret"] == "", "messages to a chat are not signed"
        assert "accepted" in cli.run("webhook", "test", made["id"])[1]
        assert "Test message" in receiver.wait("/chat/secret-path")[0].body.decode()
        [row] = [line for line in cli.run("webhook", "list")[0].splitlines() if "team" in line]
        assert "slack" in row and "secret-path" not in row
        receiver.reply("/chat/secret-path", Reply(410))
        refused = cli.run("webhook", "test", made["id"], code=1)[1]
        assert "not accepted: HTTP 410" in refused
        assert "is removed" in cli.run("webhook", "delete", made["id"])[1]
    assert "team" not in cli.run("webhook", "list")[0]


def test_the_mail_commands(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]  # of no mail server, once it is closed
    assert "no mail server" in cli.run("mail", "show")[1]
    shown, said = cli.run(
        "mail", "set", "127.0.0.1", "--port", port, "--tls", "none", "--sender", "a@b.example"
    )
    assert f"127.0.0.1:{port}" in shown and "fyke mail test" in said
    assert cli.json("mail", "show")["origin"] == "operator"
    refused = cli.run("mail", "test", "--to", "ada@b.example", code=1)[1]
    assert "the mail to ada@b.example was not accepted" in refused
    assert "no mail server" in cli.run("mail", "remove")[1]
    assert cli.json("mail", "show")["host"] == ""


def test_a_version_is_withdrawn(cli: Cli, tmp_path: Path) -> None:
    project = tmp_path / "fading"
    cli.json("worker", "new", project)
    cli.json("worker", "push", project, "--private", "--title", "Fading", "--description", "Goes")
    assert cli.json("worker", "withdraw", "owner/fading", "v1.0.1")["state"] == "withdrawn"
    assert "withdrawn" in cli.run("worker", "versions", "owner/fading")[0]
    assert "unavailable" in cli.run("run", "start", "owner/fading", code=5)[1]
    (project / "main.py").write_text("def broken(:\n")
    assert "main.py:1: error" in cli.run("worker", "check", project, code=1)[0]
    assert "main.py:1" in cli.run("worker", "push", project, code=2)[1]


def test_a_new_version_is_pushed_run_and_deleted(cli: Cli, tmp_path: Path) -> None:
    def pushed(said: str, *options: str) -> Any:
        file = tmp_path / "teller.zip"
        file.write_bytes(python_project(f"print({said!r})\n", **{"README.md": "# The Teller\n"}))
        made = cli.json("worker", "push", file, *options)
        assert made.pop("environment")["state"] in ("preparing", "ready")
        return made

    first = pushed("one")
    assert first == {"slug": first["slug"], "path": "owner/the-teller", "version": "v1.0.1"}
    assert pushed("two", "--name", "the-teller") == first | {"version": "v1.0.2"}
    for version, said in (("latest", "two"), ("v1.0.1", "one")):
        run = cli.json("run", "start", "owner/the-teller", "--version", version, "--wait")["slug"]
        assert said in cli.run("run", "log", run)[0]
    withdrawn = cli.json("worker", "withdraw", "owner/the-teller", "v1.0.2")
    assert withdrawn["current"] == "v1.0.1"
    back = cli.run("worker", "restore-version", "owner/the-teller", "v1.0.2")
    said = "owner/the-teller v1.0.2 can be started again.\nThe current version is v1.0.2.\n"
    assert back[1] == said
    assert cli.json("worker", "show", "owner/the-teller")["version"] == "v1.0.2"
    assert "--yes" in cli.run("worker", "delete", "owner/the-teller", code=2)[1]
    gone = cli.json("worker", "delete", "owner/the-teller", "--yes")
    assert gone == {"worker": "owner/the-teller", "ended_runs": 0}
    assert "Worker does not" in cli.run("run", "rerun", run, code=3)[1]
    assert "one" in cli.run("run", "log", run)[0]


def test_the_store_commands(cli: Cli, hello: Path) -> None:
    assert "owner/hello" in cli.run("store", "list")[0]
    assert "owner/hello" in cli.run("store", "search", "hello")[0]
    assert cli.json("store", "search", "hello", "--limit", 1)[0]["path"] == "owner/hello"
    assert "owner/hello" in cli.run("store", "search", "hello", "--browser", "without")[0]
    found = cli.run("store", "search", "hello", "--browser", "with")
    assert found[1] == "Nothing found.\n"
    assert cli.run("store", "search", "no such thing")[1] == "Nothing found.\n"


def test_a_run_is_shown_as_text_and_as_json(cli: Cli, ended: str, tmp_path: Path) -> None:
    assert "state     succeeded" in cli.run("run", "show", ended)[0]
    assert cli.json("run", "show", ended)["state"] == "succeeded"
    assert "No attempt of this run" in "".join(cli.run("run", "browser", ended))
    assert cli.json("run", "browser", ended)["state"] == "none"
    assert "No browser of this run is open" in cli.run("run", "picture", ended, code=5)[1]
    assert ended in cli.run("run", "list", "--status", "succeeded", "--size", 100)[0]
    page = cli.json("run", "list", "--worker", "owner/hello", "--size", 100)
    assert cli.json("run", "list", "--reason", "install_timeout,row_cap")["list"] == []
    assert "use exit_code, no_browser" in cli.run("run", "list", "--reason", "late", code=2)[1]
    assert ended in {run["slug"] for run in page["list"]}
    assert "Accepted" in cli.run("run", "events", ended)[0]
    assert cli.json("run", "events", ended)["events"][-1]["after"] == "succeeded"
    assert cli.run("run", "show", "01JGXXXXXXXXXXXXXXXXXXXXXX", code=3)[0] == ""
    table, said = cli.run("run", "sites", ended)
    assert "example.com" in table and "declares no sites" in said
    sites = cli.json("run", "sites", ended)
    assert sites["egress"] is None
    assert {site["domain"] for site in sites["list"]} == {"example.com"}


def test_the_rows_of_a_run_are_shown_and_exported(cli: Cli, ended: str, tmp_path: Path) -> None:
    assert "https://example.com/" in cli.run("run", "results", ended)[0]
    page = cli.json("run", "results", ended, "--page", 1, "--size", 5)
    assert page["count"] == 1
    assert [header["key"] for header in page["headers"]][:2] == ["url", "status"]
    [row] = cli.json("run", "results", ended, "--all")
    assert row["url"] == "https://example.com/"
    assert json.loads(cli.run("run", "results", ended, "--all", "--jsonl")[0]) == row
    assert cli.run("run", "results", ended, "--all")[0].splitlines()[0].split()[0] == "url"
    file = tmp_path / "rows.csv"
    assert cli.run("run", "export", ended, "--output", file)[0] == f"{file}\n"
    assert file.read_text().startswith("url,status")
    written = cli.json("run", "export", ended, "--format", "json", "-o", tmp_path / "rows")
    assert (written["format"], written["bytes"]) == ("json", (tmp_path / "rows").stat().st_size)
    assert json.loads(cli.run("run", "export", ended, "--format", "jsonl", "-o", "-")[0])["url"]
    assert "--format doc" in cli.run("run", "export", ended, "--format", "doc", code=2)[1]


def test_every_line_of_the_log_is_shown_once(cli: Cli, ended: str) -> None:
    whole = cli.platform.log_text(ended)
    assert cli.run("run", "log", ended)[0] == whole
    assert cli.run("run", "log", ended, "--follow")[0] == whole
    entries = [json.loads(line) for line in cli.run("run", "log", ended, "--json")[0].splitlines()]
    assert [entry["position"] for entry in entries] == list(range(1, len(entries) + 1))


def test_a_log_can_be_followed(cli: Cli) -> None:
    main = (
        "import time\nfrom sdk import CoreSDK\n"
        "for n in range(300):\n"
        "    CoreSDK.Log.info(f'line {n}.')\n"
        "    time.sleep(0.002)\n"
    )
    slug = cli.platform.push(python_project(main), "talker")
    run = cli.json("run", "start", slug)["slug"]
    out, err = cli.run("run", "log", run, "--follow")
    said = [line for line in out.splitlines() if " line " in line]
    assert [line.rpartition(" line ")[2] for line in said] == [f"{n}." for n in range(300)]
    assert "succeeded" in err


def test_a_failed_run_is_exit_status_1(cli: Cli) -> None:
    slug = cli.platform.push(zoo("raises"), "cli-raises")
    out, err = cli.run("run", "start", slug, "--wait", code=1)
    assert len(out.strip()) == 26
    assert "failed" in err
    assert "price not found" in err
    detail = cli.json("run", "rerun", out.strip(), "--wait", code=1)
    assert detail["state"] == "failed"
    assert "--yes" in cli.run("run", "delete", detail["slug"], code=2)[1]
    cli.run("run", "delete", detail["slug"], "--yes")
    cli.run("run", "show", detail["slug"], code=3)


def test_waiting_has_a_time_limit_and_a_run_can_be_aborted(cli: Cli) -> None:
    slug = cli.platform.push(zoo("never_exits"), "cli-never-exits")
    out, err = cli.run(
        "run", "start", slug, "--timeout", 60, "--memory", 512, "--wait",
        "--timeout-seconds", 0.5, code=124,
    )  # fmt: skip
    run = out.strip()
    assert "still" in err
    assert "abort it first" in cli.run("run", "delete", run, "--yes", code=5)[1]
    assert cli.json("run", "abort", run) == {"aborted": run}
    cli.platform.ended(run)
    assert cli.json("run", "show", run)["state"] == "aborted"


def test_ctrl_c_does_not_stop_the_run(cli: Cli) -> None:
    slug = cli.platform.push(zoo("never_exits"), "cli-never-exits")
    waiting = cli.start("run", "start", slug, "--wait", "--follow")
    assert waiting.stdout is not None
    assert waiting.stderr is not None
    run = waiting.stdout.readline().strip()
    for line in waiting.stderr:
        if "Running..." in line:
            break
    waiting.send_signal(signal.SIGINT)
    _, err = waiting.communicate(timeout=20)
    assert waiting.returncode == 130
    assert f"fyke run abort {run}" in err
    assert cli.platform.detail(run)["status"] == 2
    cli.run("run", "abort", run)
    cli.platform.ended(run)


def test_the_input_comes_from_a_file_a_pipe_or_the_command_line(cli: Cli, tmp_path: Path) -> None:
    slug = cli.platform.push(zoo("echoes_input"), "cli-echoes-input")
    file = tmp_path / "in.json"
    file.write_text('{"from": "file"}')
    for given, stdin, source in (
        (str(file), "", "file"),
        ("-", '{"from": "pipe"}', "pipe"),
        ('{"parameters": {"custom": {"from": "whole"}}}', "", "whole"),
    ):
        run = cli.process_json("run", "start", slug, "--input", given, "--wait", stdin=stdin)
        [row] = cli.platform.rows(run["slug"])
        assert row["input"] == {"from": source}
    assert "not valid JSON" in cli.run("run", "start", slug, "-i", "{", code=2)[1]


def test_the_task_commands(cli: Cli, hello: Path, tmp_path: Path) -> None:
    file = tmp_path / "in.json"
    file.write_text('{"urls": ["https://example.org/"]}')
    made = cli.json("task", "create", "owner/hello", "--input", file, "--title", "Daily")
    assert set(made) == {"slug"}
    task = made["slug"]
    assert "Daily" in cli.run("task", "list")[0]
    assert task in {t["slug"] for t in cli.json("task", "list")["list"]}
    assert "https://example.org/" in cli.run("task", "show", task)[0]
    saved = cli.json("task", "show", task)["input"]
    assert saved["parameters"]["custom"]["urls"] == ["https://example.org/"]
    run = cli.json("task", "run", task, "--wait")
    assert run["state"] == "succeeded"
    assert cli.platform.rows(run["slug"])[0]["url"] == "https://example.org/"
    cli.run("task", "update", task, "--title", "Weekly", "--version", "latest")
    shown = cli.json("task", "show", task)
    assert (shown["title"], shown["version"], shown["run_times"]) == ("Weekly", "latest", 1)
    assert shown["input"] == saved
    cli.run("task", "delete", task)
    assert "task does not exist" in cli.run("task", "show", task, code=3)[1]


def test_the_schedule_commands(cli: Cli, hello: Path, tmp_path: Path) -> None:
    task = cli.json("task", "create", "owner/hello", "--input", "{}")["slug"]
    assert cli.run("account", "zone", "Europe/Berlin")[0].strip() == "Europe/Berlin"
    assert cli.json("account", "zone") == {"time_zone": "Europe/Berlin"}
    cli.run("account", "zone", "UTC")
    cli.run("task", "schedule", task, code=3)
    made = cli.json("task", "schedule", task, "--weekly", "mon", "--at", "07:00")
    assert (made["kind"], made["weekday"], made["time_zone"]) == ("weekly", 1, "UTC")
    assert cli.json("task", "next", task, "--count", 2)["list"][0]["at"] == made["next_at"]
    ahead = cli.json("task", "next", task, "--cron", "0 9 * * *", "--zone", "Asia/Tokyo")
    assert len(ahead["list"]) == 10 and ahead["list"][0]["local"].endswith("T09:00:00+09:00")
    assert "monday 07:00" in cli.run("task", "schedule", task)[0]
    assert cli.json("task", "schedule", task, "--off")["enabled"] is False
    assert "weekly, off" in cli.run("task", "schedule", task)[0]
    assert cli.json("task", "schedule", task, "--on")["enabled"] is True
    assert "minute" in cli.run("task", "schedule", task, "--cron", "61 * * * *", code=2)[1]
    cli.run("task", "schedule", task, "--remove")
    cli.run("task", "delete", task)


def test_the_queue_commands(cli: Cli, hello: Path) -> None:
    def held(*options: str) -> str:
        return str(cli.json("run", "start", "owner/hello", "--queued", *options)["queue_ref"])

    ref, err = cli.run("run", "start", "owner/hello", "--queued")
    first, second, third = ref.strip(), held("-i", '{"urls": ["https://example.org/"]}'), held()
    assert f"fyke queue activate {first}" in err
    assert "nothing to wait for" in cli.run(
        "run", "start", "owner/hello", "--queued", "--wait", code=2
    )[1].replace("\n", " ")
    listed = cli.json("queue", "list", "--status", "waiting")
    assert [item["queue_ref"] for item in listed["list"]] == [third, second, first]
    assert listed["list"][0]["worker_path"] == "owner~hello"
    assert "waits for activation" in cli.run("queue", "list")[0]

    [started] = cli.json("queue", "activate", second)
    assert (started["queue_ref"], started["success"]) == (second, True)
    assert cli.platform.ended(started["run_slug"])["status"] == 3
    assert cli.platform.rows(started["run_slug"])[0]["url"] == "https://example.org/"
    assert "not in waiting state" in cli.run("queue", "activate", second, code=5)[0]
    assert cli.run("queue", "release", first, "--reason", "too late")[0] == f"{first}  released\n"
    done = cli.json("queue", "release", first, third, "17", code=5)
    assert [result["success"] for result in done] == [False, True, False]
    assert done[2]["error"] == "item does not exist"
    ended = {i["queue_ref"]: i for i in cli.json("queue", "list", "--status", "inactive")["list"]}
    assert ended[first]["reason"] == "released: too late"
    assert ended[second]["run_slug"] == started["run_slug"]
    assert cli.json("queue", "list", "--status", "waiting")["count"] == 0
    assert "100" in cli.run("queue", "list", "--size", 101, code=2)[1]


def test_plans_and_rate_limits_are_set_and_shown(cli: Cli) -> None:
    made = cli.json("account", "add", "small")
    assert (made["account"]["plan"], made["account"]["most_runs"]) == ("free", 2)
    own = {"FYKE_KEY": made["key"]["key"]}
    assert cli.json("account", "plan", "small", "PRO")["most_runs"] == 10
    assert "pro (10 runs at once)" in cli.run("account", "show", env=own)[0]
    assert "unlimited (no limit)" in cli.run("account", "plan", "small", "unlimited")[0]
    assert "free, starter" in cli.run("account", "plan", "small", "huge", code=2)[1]
    assert "operator" in cli.run("account", "plan", "small", "pro", code=4, env=own)[1]

    slow = cli.json("key", "create", "slow", "--rate-limit", 1, env=own)["key"]
    limits = {key["name"]: key["rate_limit"] for key in cli.json("key", "list", env=own)}
    assert limits["slow"] == 1
    assert "1/s" in cli.run("key", "list", env=own)[0]
    assert "rate_limit" in cli.run("key", "create", "x", "--rate-limit", -1, code=2, env=own)[1]
    url = f"{cli.platform.url}/api/v2/users/account"
    # the server reads the rate of a key at its first request
    answers = [httpx2.get(url, headers={"api-key": slow}) for _ in range(8)]
    assert answers[-1].headers["ratelimit-policy"] == '"default";q=2;w=2'
    assert {answer.status_code for answer in answers} == {200, 429}


def test_caps_are_set_and_shown(cli: Cli) -> None:
    own = {"FYKE_KEY": cli.json("account", "add", "careful")["key"]["key"]}
    assert "no cap" in cli.run("account", "caps", env=own)[0]
    changed = cli.json("account", "caps", "--run", "2.5", "--month", 100, env=own)
    assert (changed["run_cap"], changed["month_cap"], changed["left"]) == ("2.5", "100", "100")
    out, err = cli.run("account", "caps", env=own)
    assert "at most 2.5 USD" in out and "No prices are set" in err
    assert cli.json("account", "caps", "--month", 0, env=own)["left"] is None
    assert cli.json("account", "caps", "--account", "careful", "--run", 7)["run_cap"] == "7"
    others = "account", "caps", "--account", "x", "--run", 1
    assert "operator" in cli.run(*others, code=4, env=own)[1]
    assert "--run" in cli.run("account", "caps", "--account", "careful", code=2)[1]
    assert "run_cap" in cli.run("account", "caps", "--run", "-1", code=2, env=own)[1]


def test_an_estimate_is_based_on_earlier_runs(cli: Cli) -> None:
    slug = cli.platform.push(python_project("print(1)"), "estimated")
    said = cli.run("worker", "estimate", slug)[1]
    assert "Not enough runs for an estimate yet: 0 of 10." in said
    for _ in range(10):
        cli.platform.start_run(slug)
    done = "--status", "succeeded", "--worker", slug
    cli.platform.wait_for(lambda: len(cli.json("run", "list", *done)["list"]) == 10, "ten ends")
    found = cli.json("worker", "estimate", slug, "--memory", 1024)
    assert (found["enough"], found["runs"], found["memory"]) == (True, 10, 1024)
    assert 0 < found["time"]["p50"] <= found["time"]["p95"] < 60
    out, err = cli.run("worker", "estimate", "owner/estimated", "--subtasks", 3)
    assert "95TH PERCENTILE" in out and "cost" not in out
    assert "Based on your account's last 10 runs of version" in err


def test_the_account_and_key_commands(cli: Cli) -> None:
    made = cli.json("account", "add", "marketing")
    assert made["account"]["name"] == "marketing"
    cli.run("account", "add", "marketing", code=5)
    assert "marketing" in cli.run("account", "list")[0]
    credited = cli.json("account", "credit", "marketing", "--usd", "2.5", "--traffic-mb", "10")
    assert (credited["balance"], credited["traffic"]) == ("2.50", 10_000_000)
    assert "2.50 USD" in cli.run("account", "credit", "marketing", "--traffic-mb", 1)[0]
    own = {"FYKE_KEY": made["key"]["key"]}
    shown = cli.json("account", "show", env=own)
    assert shown["webhook_secret"].startswith("whsec_")
    assert "webhook secret" in cli.run("account", "show", env=own)[0]
    assert "operator" in cli.run("account", "list", code=4, env=own)[1]
    key = cli.json("key", "create", "ci", "--account", "marketing", "--expires", 30)
    assert set(key) == {"id", "name", "key", "scopes", "expires_at"}
    assert cli.json("account", "show", "--key", key["key"])["name"] == "marketing"
    assert "ci" in cli.run("key", "list", "--account", "marketing")[0]
    cli.run("key", "create", "ci", "--account", "marketing", code=5)
    cli.run("key", "revoke", "ci", "--account", "marketing")
    revoked = [k for k in cli.json("key", "list", env=own) if k["name"] == "ci"]
    assert revoked[0]["revoked_at"] > 0
    plain = cli.run("key", "create", "mine", env=own)[0].strip()
    assert plain.startswith("scraper_api_")


def test_the_secret_commands(cli: Cli, hello: Path) -> None:
    value = "canary-cli: p@ss\nand a second line"
    for sent in (value, value + "\n", value + "\r\n"):
        out, err = cli.run("secret", "set", "owner/hello", "SHOP_LOGIN", stdin=sent)
        assert (out, err) == (
            "", "SHOP_LOGIN is set. Your runs of owner/hello get it from now on.\n",
        )  # fmt: skip
    set_ = cli.json("secret", "set", "owner/hello", "COOKIES", stdin="a=b; c=d\n")
    assert (set_["name"], set_["used_at"], set_["readable"]) == ("COOKIES", 0, True)
    assert [one["name"] for one in cli.json("secret", "list", "owner/hello")["list"]] == [
        "COOKIES", "SHOP_LOGIN",
    ]  # fmt: skip
    assert "SHOP_LOGIN" in cli.run("secret", "list", "owner/hello")[0]
    assert "at least 6" in cli.run("secret", "set", "owner/hello", "A", stdin="five5", code=2)[1]
    assert "MY_PATH" in cli.run("secret", "set", "owner/hello", "PATH", stdin=value, code=2)[1]
    cli.run("secret", "delete", "owner/hello", "ABSENT", code=3)
    removed = cli.json("secret", "delete", "owner/hello", "COOKIES")
    assert removed == {"worker": "owner/hello", "name": "COOKIES"}
    cli.run("secret", "delete", "owner/hello", "SHOP_LOGIN")
    assert cli.json("secret", "list", "owner/hello") == {"list": [], "needed": [], "missing": []}


def test_the_user_commands_and_the_permissions_of_keys(cli: Cli) -> None:
    made = cli.json("user", "invite", "Ada", "--role", "viewer")
    assert (made["user"]["name"], made["user"]["role"]) == ("ada", "viewer")
    assert made["link"]["url"].startswith(f"{cli.platform.url}/invite?token=")
    assert httpx2.get(made["link"]["url"]).status_code == 200
    out, said = cli.run("user", "link", "ada")
    assert out.startswith(f"{cli.platform.url}/invite?token=") and "works once" in said
    assert httpx2.get(made["link"]["url"]).status_code == 404
    cli.run("user", "invite", "ada", code=5)
    assert cli.json("user", "role", "ada", "member")["role"] == "member"
    assert "does not use" in cli.run("user", "reset-second-factor", "ada", code=5)[1]
    assert "disabled" in cli.run("user", "disable", "ada")[1]
    assert "disabled" in cli.run("user", "list")[0]
    cli.run("user", "enable", "ada")
    assert "last owner" in cli.run("user", "remove", "owner", code=5)[1]
    cli.run("user", "remove", "ada")
    assert [user["name"] for user in cli.json("user", "list")] == ["owner"]

    key = cli.json("key", "create", "looks", "--scope", "read", "--scope", "run")["key"]
    own = {"FYKE_KEY": key}
    cli.run("run", "list", env=own)
    assert 'the scope "admin"' in cli.run("user", "list", code=4, env=own)[1]
    listed = {item["name"]: item["scopes"] for item in cli.json("key", "list")}
    assert listed["looks"] == ["read", "run"]
    assert "unknown scope 'all'" in cli.run("key", "create", "x", "--scope", "all", code=2)[1]


def test_the_node_commands_on_sqlite(cli: Cli) -> None:
    """Nodes need another database; what there is of them can be asked for."""
    _, err = cli.run("node", "token", "--pool", "eu", "--uses", 2, code=5)
    assert "set database_url" in err and "docs/how-to/postgresql.md" in err
    assert cli.json("node", "list") == cli.json("node", "tokens") == []
    assert [item["pool"] for item in cli.json("node", "demand")] == ["default"]
    assert "There is no token T1" in cli.run("node", "revoke", "T1", code=3)[1]
    assert "no node n1" in cli.run("node", "show", "n1", code=3)[1]
    cli.run("node", "cordon", "n1", code=3)
    cli.run("node", "uncordon", "n1", code=3)
    cli.run("node", "drain", "n1", "--seconds", 5, code=3)
    for refused in (
        cli.run("node", "replace", "n1", code=5)[1],
        cli.run("fleet", "list", code=5)[1],
        cli.run("fleet", "up", code=5)[1],
    ):
        assert 'fleet = "static"' in refused
    cli.run("node", "forget", "n1", "--yes", code=3)
    token = f"fyken_{'a' * 43}.{'b' * 43}"
    refused = cli.run("node", "join", "127.0.0.1:1", "--token", token, code=5)[1]
    assert "is that of an installation" in refused


def test_the_help_command_prints_the_help_of_another(cli: Cli) -> None:
    assert cli.run("help", "run", "list") == cli.run("run", "list", "--help")


def test_a_missing_key_an_invalid_key_and_a_missing_server_are_reported(
    cli: Cli, tmp_path: Path
) -> None:
    url = cli.platform.url
    nowhere = {"FYKE_HOME": str(tmp_path)}
    assert "owner/" in cli.run("store", "search", "owner/", "--url", url, env=nowhere)[0]
    assert "--key" in cli.run("run", "list", "--url", url, code=4, env=nowhere)[1]
    cli.run("run", "list", "--key", "scraper_api_WRONG", code=4)
    assert "fyke up" in cli.run("run", "list", code=6, env=nowhere)[1]
    refused = cli.run("run", "list", "--url", "http://127.0.0.1:1", "--key", "x", code=6)[1]
    assert "cannot be reached" in refused


def test_every_command_is_tested() -> None:
    """The commands are read from the files of all these tests, selected or not."""
    tried = set()
    files = sorted(Path(__file__).parent.glob("test_cli*.py"))
    for call in ast.walk(ast.parse("\n".join(file.read_text() for file in files))):
        if isinstance(call, ast.Call) and ast.unparse(call.func).lower().startswith("cli"):
            words = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
            tried |= {" ".join(["fyke", *map(str, words[:n])]) for n in (1, 2)}
    assert set(names_of_commands()) - {"fyke up", "fyke serve"} <= tried

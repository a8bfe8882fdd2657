"""Starts a run with each generated client, waits for its end and reads its rows.

Arguments: address of the server, key, worker, input. Writes one JSON line for each version.
"""

import json
import sys
import time
from collections.abc import Callable

import own
import v1
import v2
from own.api.runs import get_run_summary
from v1.api.results import list_results_v1
from v1.api.runs import get_run_v1, start_run_v1
from v1.models import ResultList, RunInput, RunParameters, RunParametersCustom, RunRef, StartRun
from v2.api.results import list_worker_run_results
from v2.api.runs import get_worker_run, run_worker
from v2.models import RunInput as RunInputV2
from v2.models import RunParameters as RunParametersV2
from v2.models import RunParametersCustom as RunParametersCustomV2
from v2.models import StartWorker

URL, KEY, WORKER, INPUT = sys.argv[1:5]
CUSTOM = json.loads(INPUT)


def wait_for(ended: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not ended():
        if time.monotonic() > deadline:
            raise TimeoutError("the run did not end")
        time.sleep(0.2)


def first_version() -> tuple[str, list[dict[str, object]]]:
    client = v1.AuthenticatedClient(URL, KEY, prefix="", auth_header_name="api-key")
    custom = RunParametersCustom.from_dict(CUSTOM)
    body = StartRun(scraper_slug=WORKER, input_=RunInput(parameters=RunParameters(custom=custom)))
    run = start_run_v1.sync(client=client, body=body).data.run_slug
    named = RunRef(run_slug=run)
    wait_for(lambda: get_run_v1.sync(client=client, body=named).data.status in (3, 4, 5))
    page = list_results_v1.sync(client=client, body=ResultList(run_slug=run)).data
    return run, [row.to_dict() for row in page.list_]


def second_version() -> tuple[str, list[dict[str, object]]]:
    client = v2.AuthenticatedClient(URL, KEY)
    custom = RunParametersCustomV2.from_dict(CUSTOM)
    body = StartWorker(input_=RunInputV2(parameters=RunParametersV2(custom=custom)))
    run = run_worker.sync(WORKER, client=client, body=body).data.run_slug
    ends = ("succeeded", "failed", "aborted")
    wait_for(lambda: get_worker_run.sync(run, client=client).data.status in ends)
    page = list_worker_run_results.sync(run, client=client).data
    return run, [row.to_dict() for row in page.list_]


for run, rows in (first_version(), second_version()):
    summary = get_run_summary.sync(run, client=own.AuthenticatedClient(URL, KEY)).data
    print(json.dumps({"rows": rows, "state": summary.state, "results": summary.results}))

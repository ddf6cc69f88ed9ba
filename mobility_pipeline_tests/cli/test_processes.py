"""`mobility request` as real processes: killed, and two at the same moment."""

import json
import signal
import sqlite3
import subprocess
from contextlib import closing, suppress
from datetime import date, timedelta
from pathlib import Path

import pytest

from mobility_pipeline.sandbox.launch import Sandbox
from mobility_pipeline_tests.conftest import Workplace
from mobility_pipeline_tests.waiting import wait_until

pytestmark = pytest.mark.processes


def _start(
    workplace: Workplace, start: date, end: date, **variables: str
) -> subprocess.Popen[str]:
    return workplace.start(
        *("request", "--feed", "pings_full", "--json"),
        *("--from", start.isoformat(), "--to", end.isoformat()),
        **variables,
    )


def test_killed_while_it_polls_the_next_request_finds_the_same_job(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """`kill -9`, then the same request: one vendor job, everything landed."""
    sandbox.set_vendor_faults(never_finish=True)
    process = _start(workplace, newest, newest)
    (job,) = wait_until(lambda: [job for job in sandbox.jobs() if job["polls"] > 1])
    process.kill()
    process.communicate()
    sandbox.set_vendor_faults(never_finish=False)
    answer = workplace.request(newest, newest)
    assert (answer.code, answer.document["landed"]) == (0, 2), answer.stderr
    assert [known["id"] for known in sandbox.jobs()] == [job["id"]]


def test_killed_while_it_lands_the_next_request_completes(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """`kill -9` in the middle of publishing: no second job, nothing half there."""
    sandbox.set_s3_faults(fail_puts_matching="vancouver")
    process = _start(workplace, newest, newest, AWS_MAX_ATTEMPTS="40")
    wait_until(lambda: sandbox.s3_requests().get("PUT mobility-lake/data"))
    process.kill()
    process.communicate()
    sandbox.set_s3_faults(fail_puts_matching=None)
    answer = workplace.request(newest, newest)
    assert (answer.code, answer.document["missing"]) == (0, []), answer.stderr
    assert len(sandbox.jobs()) == 1


def test_ctrl_c_ends_at_once_and_says_how_to_go_on(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """SIGINT: exit 130, one line, no traceback; the job stays for the next request."""
    sandbox.set_vendor_faults(never_finish=True)
    process = _start(workplace, newest, newest)
    wait_until(lambda: [job for job in sandbox.jobs() if job["polls"] > 1])
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert json.loads(stdout)["error"]["type"] == "Interrupted"
    assert "Traceback" not in stderr


def test_two_requests_at_the_same_moment_submit_one_job(
    sandbox: Sandbox, workplace: Workplace, newest: date, ledger_url: str
) -> None:
    """Overlapping city-days are paid once, and both requests end complete."""
    processes = [
        _start(
            workplace,
            newest - timedelta(days=1),
            newest,
            MOBILITY_LEDGER_URL=ledger_url,
        )
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], answers
    assert len(sandbox.jobs()) == 1
    for stdout, _ in answers:
        document = json.loads(stdout)
        assert document["landed"] + document["skipped"] == 4
        assert document["missing"] == []


def test_ctrl_c_ends_the_wait_for_a_store_that_is_down(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """SIGINT while a step waits to be tried again: exit 130 before the wait is over."""
    sandbox.set_s3_faults(slow_down_every=1)
    process = _start(workplace, newest, newest, AWS_MAX_ATTEMPTS="1")
    logs = workplace.home / "dagster" / "history" / "runs"
    wait_until(lambda: any(_waits_to_retry(path) for path in logs.glob("*.db")))
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=12)
    assert process.returncode == 130, stderr
    assert json.loads(stdout)["error"]["type"] == "Interrupted"


def _waits_to_retry(path: Path) -> bool:
    query = "SELECT 1 FROM event_logs WHERE event LIKE '%will be tried again%'"
    with (
        closing(sqlite3.connect(path)) as connection,
        suppress(sqlite3.OperationalError),  # Dagster is still making the table
    ):
        return connection.execute(query).fetchone() is not None
    return False

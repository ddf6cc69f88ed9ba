"""Which problems failed runs make, and what ends them."""

from datetime import timedelta

import pytest

from mobility_pipeline.alerts.problems import Problem
from mobility_pipeline.alerts.runs import IN_COVERAGE, RunEnd, find_run_problems
from mobility_pipeline_tests.alerts.made import NOW

KEY = ("VendorAuthenticationError", "VERASET_API_KEY is refused (401)")
LACKS = (IN_COVERAGE, "3 city-days are missing")


def _end(
    hour: int,
    *errors: tuple[str, str],
    feed: str = "pings_full",
    is_refresh: bool = False,
) -> RunEnd:
    at = NOW + timedelta(hours=hour)
    return RunEnd(feed, "a_job", f"run-{hour}", at, errors, is_refresh)


def _keys(*ends: RunEnd) -> list[tuple[str, str]]:
    return [(found.subject, found.reason) for found in find_run_problems(ends)[0]]


def test_runs_that_fail_of_one_error_are_one_problem() -> None:
    """Since the first of them, and it names the last."""
    (problem,), _ = find_run_problems([_end(2, KEY), _end(1, KEY)])
    assert problem.key == ("pings_full", "run", "runs", "VendorAuthenticationError")
    assert problem.what == "2 runs failed: VERASET_API_KEY is refused (401)"
    assert problem.since == NOW + timedelta(hours=1)
    assert "run-2 in the Dagster UI" in problem.by_person
    assert "`mobility doctor`" in problem.by_person


@pytest.mark.parametrize("later", [(), (LACKS,)])
def test_a_run_that_gets_through_ends_it(later: tuple[tuple[str, str], ...]) -> None:
    """Also one that named what is missing: it came that far."""
    ends = (_end(1, KEY), _end(2, *later))
    assert _keys(*ends) == []
    assert find_run_problems(ends)[1] == {("pings_full", "runs")}
    assert _keys(_end(3, KEY), *ends) == [("runs", "VendorAuthenticationError")]


def test_runs_of_another_feed_or_job_prove_nothing() -> None:
    """Each feed, and each job without one, is a line of its own."""
    failed, well = _end(1, KEY), _end(2, feed="pings_trips")
    assert _keys(failed, well) == [("runs", "VendorAuthenticationError")]
    assert _keys(_end(1, KEY, feed=""), well) == [
        ("runs of a_job", "VendorAuthenticationError")
    ]


def test_missing_days_are_told_by_the_days_alone() -> None:
    """Unless the run asked for days that are there: then nothing else tells it."""
    assert _keys(_end(1, LACKS)) == []
    assert _keys(_end(1, LACKS, is_refresh=True)) == [("runs", IN_COVERAGE)]


def test_what_a_library_says_is_not_repeated() -> None:
    """An error that is none of ours may hold a row of data; only its class is told."""
    (problem,), _ = find_run_problems([_end(1, ("ArrowInvalid", "row: device-77"))])
    assert "device-77" not in str(problem)
    assert "ArrowInvalid" in problem.what


def _problem_of(error: str) -> Problem:
    (problem,), _ = find_run_problems([_end(1, (error, "said"))])
    return problem


@pytest.mark.parametrize(
    ("error", "by_itself", "by_person"),
    [
        ("LedgerError", "goes on where this one stopped", "Nothing yet"),
        ("ConfigurationError", "fail again until", "Correct what the message names"),
        ("ZeroDivisionError", "fail again until", "Report it"),
    ],
)
def test_advice_depends_on_whether_asking_again_can_help(
    error: str, by_itself: str, by_person: str
) -> None:
    """Transient, permanent, unforeseen."""
    problem = _problem_of(error)
    assert by_itself in problem.by_itself
    assert problem.by_person.startswith(by_person)

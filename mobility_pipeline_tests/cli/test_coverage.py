"""`mobility coverage`."""

from collections.abc import Callable
from datetime import date, timedelta

from mobility_pipeline.sandbox.launch import LAKE_BUCKET, Sandbox
from mobility_pipeline.sandbox.s3_client import connect_internally
from mobility_pipeline_tests.conftest import CITIES, Workplace


def test_a_lost_ledger_is_rebuilt_and_nothing_is_missing(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """After the ledger's file is gone, the check names each day and a rebuild repairs."""
    workplace.request(newest, newest)
    assert workplace.run("coverage", "check", "--deep", "--json").document == {
        "drift": []
    }
    span = ("--from", newest.isoformat(), "--to", newest.isoformat())
    lost = {"MOBILITY_LEDGER_URL": f"sqlite:///{workplace.home / 'new.sqlite'}"}
    check = workplace.run("coverage", "check", "--json", **lost)
    assert check.code == 1
    found = [(drift["city"], drift["kind"]) for drift in check.document["drift"]]
    assert found == [(city, "not_in_ledger") for city in sorted(CITIES)]
    rebuilt = workplace.run("coverage", "rebuild", "--json", **lost)
    (feed,) = rebuilt.document["feeds"]
    assert (rebuilt.code, feed["manifests"], feed["found"]) == (0, 2, 2)
    assert (feed["before"], sum(feed["after"].values())) == ({}, 2)
    gaps = workplace.run("gaps", *span, "--json", **lost).document
    assert gaps == {"gaps": [], "complete": sorted(CITIES)}
    assert workplace.run("coverage", "check", **lost).code == 0
    assert "1 feeds" in workplace.run("coverage", "check", **lost).stdout


def test_a_day_whose_part_is_gone_is_recovered(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """A rebuild finds it, gaps shows it, and recovery buys it once, and whole again."""
    workplace.request(newest, newest)
    s3 = connect_internally(sandbox.s3_url)
    folder = f"data/{CITIES[0]}/date={newest}/"
    (part,) = _list(sandbox, folder + "part-")
    s3.delete_object(Bucket=LAKE_BUCKET, Key=part)
    rebuilt = workplace.run("coverage", "rebuild", "--json")
    (spoilt,) = rebuilt.document["unreadable"]
    assert (rebuilt.code, spoilt["city"]) == (1, CITIES[0])
    assert part.removeprefix(folder) in spoilt["problem"]
    span = ("--from", newest.isoformat(), "--to", newest.isoformat())
    (gap,) = workplace.run("gaps", *span, "--json").document["gaps"]
    assert (gap["city"], gap["reason"]) == (CITIES[0], "rejected")
    recovered = workplace.run("recover", *span, "--json")
    assert (recovered.code, len(sandbox.jobs())) == (0, 2)
    assert workplace.run("coverage", "check", "--deep", "--json").document == {
        "drift": []
    }
    assert workplace.run("gaps", *span, "--json").document["gaps"] == []


def test_an_emptied_bucket_is_named_and_nothing_changes(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """Both verbs say that the listing was empty, in one line."""
    workplace.request(newest, newest)
    sandbox.empty_lake()
    for verb in ("check", "rebuild"):
        answer = workplace.run("coverage", verb, "--json")
        assert answer.code == 2
        assert answer.document["error"]["type"] == "EmptyLakeError"
        assert f"bucket {LAKE_BUCKET} named no object" in str(answer.document)
    span = ("--from", newest.isoformat(), "--to", newest.isoformat())
    assert workplace.run("gaps", *span, "--json").document["gaps"] == []
    done = workplace.run("coverage", "rebuild", "--accept-empty", "--json")
    assert done.document["feeds"][0]["after"] == {"not_requested": 2}


def test_a_forbidden_bucket_is_one_line(sandbox: Sandbox, workplace: Workplace) -> None:
    """Not allowed to list is not the same as nothing missing."""
    sandbox.set_s3_faults(deny_bucket=LAKE_BUCKET)
    for verb in ("check", "rebuild"):
        answer = workplace.run("coverage", verb)
        assert answer.code == 2
        assert "S3 refused with" in answer.stderr
        assert "Traceback" not in answer.stderr


def test_picture_is_written(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """The page shows each city, and the answer counts its states."""
    workplace.request(newest, newest)
    start = newest - timedelta(days=2)
    span = ("--from", start.isoformat(), "--to", newest.isoformat())
    file = workplace.home / "calendar.html"
    answer = workplace.run("coverage", "picture", *span, str(file), "--json")
    assert answer.code == 0
    assert sum(answer.document["states"].values()) == 3 * len(CITIES)
    assert answer.document["states"]["not_requested"] == 2 * len(CITIES)
    assert all(city in file.read_text() for city in CITIES)


def test_wrong_use_is_one_line(
    make_workplace: Callable[[dict[str, str]], Workplace],
) -> None:
    """A wrong ending, reversed or malformed dates, an unknown feed: exit code 2."""
    place = make_workplace({"S3_BUCKET": "lake"})
    span = ("--from", "2025-01-01", "--to", "2025-01-31")
    reversed_span = ("--from", "2025-01-31", "--to", "2025-01-01")
    malformed = ("--from", "2025-1-1", "--to", "2025-01-31")
    html = str(place.home / "calendar.html")
    for arguments in (
        ("picture", *span, str(place.home / "calendar.png")),
        ("picture", *reversed_span, html),
        ("picture", *malformed, html),
        ("check", "--feed", "nothing"),
        ("rebuild", "--feed", "nothing"),
    ):
        answer = place.run("coverage", *arguments)
        assert (answer.code, "Traceback" in answer.stderr) == (2, False), arguments
        assert answer.stderr.strip()


def _list(sandbox: Sandbox, prefix: str) -> list[str]:
    """Return the keys of the lake's objects below a prefix."""
    s3 = connect_internally(sandbox.s3_url)
    listed = s3.list_objects_v2(Bucket=LAKE_BUCKET, Prefix=prefix)
    return [item.get("Key", "") for item in listed.get("Contents", [])]

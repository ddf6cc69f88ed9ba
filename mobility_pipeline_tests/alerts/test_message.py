"""What notifications say."""

from dataclasses import replace
from datetime import timedelta

from mobility_pipeline.alerts.episodes import Alert, Changes, follow
from mobility_pipeline.alerts.message import write_notification
from mobility_pipeline.alerts.problems import Assessment, Kind, Problem, to_days
from mobility_pipeline_tests.alerts.made import NOW, make_days, make_problem


def _opened(*problems: Problem) -> tuple[Alert, ...]:
    return follow((), Assessment(problems), NOW).opened


def _closed(*problems: Problem) -> tuple[Alert, ...]:
    return tuple(replace(alert, closed_at=NOW) for alert in _opened(*problems))


def _text(changes: Changes) -> str:
    return write_notification(changes, "uid", NOW).text


def test_an_alert_says_what_since_when_which_days_and_what_to_do() -> None:
    """Everything a person needs, and the command that asks again."""
    since = NOW - timedelta(hours=8)
    problem = replace(make_problem("c/a", 0, 1, 2, 9), since=since)
    assert _text(Changes(opened=_opened(problem))).splitlines() == [
        "Mobility alerts: 1 opened",
        "",
        "OPENED: pings_full, c/a: the vendor did not deliver",
        "  since:      2025-03-20 02:00 UTC",
        "  missing:    4 city-days of 1 city",
        "  days:       2025-03-04, 2025-03-11 to 2025-03-13",
        "  by itself:  Nothing.",
        "  to do:      Ask: `mobility request --feed pings_full --city c/a "
        "--from 2025-03-04 --to 2025-03-13`",
        "",
        "All open alerts: `mobility alerts list`",
    ]


def test_cities_that_lack_the_same_are_told_together() -> None:
    """51 cities are one paragraph that names each; another one stands alone."""
    same = [make_problem(f"c/{n:02}", 3, 4) for n in range(51)]
    text = _text(Changes(opened=_opened(*same, make_problem("c/other", 7))))
    assert text.startswith("Mobility alerts: 52 opened\n")
    assert text.count("OPENED: ") == 2
    assert "51 cities: the vendor did not deliver" in text
    assert "missing:    102 city-days of 51 cities" in text
    assert all(f"c/{n:02}" in text for n in range(51))
    assert "--feed pings_full --from 2025-03-09 --to 2025-03-10`" in text


def test_a_vendor_job_names_its_cities() -> None:
    """By the days that each of them lacks."""
    days = [*make_days("c/a", 0), *make_days("c/b", 0), *make_days("c/c", 1)]
    problem = replace(make_problem(), subject="vendor job j", days=to_days(days))
    text = _text(Changes(opened=_opened(problem)))
    assert "OPENED: pings_full, vendor job j: " in text
    assert "days:       2025-03-13\n  cities:     c/a, c/b\n" in text
    assert "days:       2025-03-12\n  cities:     c/c\n" in text


def test_an_alert_that_is_over_says_so() -> None:
    """Repaired, or told elsewhere from now on."""
    well = Changes(closed=_closed(make_problem("c/a", 3)))
    assert "closed:     Nothing of it is missing any more." in _text(well)
    job = replace(make_problem("c/a", 3), subject="vendor job j", reason="job_failed")
    moved = Changes(opened=_opened(job), closed=_closed(make_problem("c/a", 3, 4)))
    assert (
        "1 of its city-days are still missing, see vendor job j (job_failed)."
        in _text(moved)
    )


def test_the_data_for_programs_holds_every_range() -> None:
    """The text may be cut, the data names all days."""
    problem = make_problem("c/a", *range(0, 400, 2))
    note = write_notification(Changes(opened=_opened(problem)), "uid", NOW)
    assert "and 190 more ranges" in note.text
    (alert,) = note.data["data"]["opened"]
    assert (len(alert["days"]), alert["city_days"]) == (200, 200)
    assert note.data["type"] == "mobility.alerts"


def test_a_very_long_text_is_cut_and_says_so() -> None:
    """Amazon SNS takes 256 KiB."""
    many = [make_problem(f"c/{n}", n % 300 + 1, n // 300 + 301) for n in range(1000)]
    text = _text(Changes(opened=_opened(*many)))
    assert len(text.encode()) < 256 * 1024
    assert text.endswith("`mobility alerts list` shows all")


def test_a_run_has_no_days() -> None:
    """And no command to ask for any."""
    problem = replace(
        make_problem(), kind=Kind.RUN, subject="runs", days={}, by_person="Correct it."
    )
    text = _text(Changes(opened=_opened(problem)))
    assert "city-days" not in text
    assert "to do:      Correct it.\n" in text

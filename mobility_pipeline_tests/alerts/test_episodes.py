"""Episodes: laws that hold for any history, and the cases that are easy to get wrong."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count, pairwise

from hypothesis import given
from hypothesis import strategies as st

from mobility_pipeline.alerts.episodes import Alert, Changes, follow
from mobility_pipeline.alerts.problems import Assessment, Key, Problem
from mobility_pipeline_tests.alerts.made import NOW, make_days, make_problem

CITIES = ["c/a", "c/b", "c/c"]

histories = st.lists(
    st.tuples(
        st.timedeltas(min_value=timedelta(0), max_value=timedelta(hours=40)),
        st.dictionaries(
            st.sampled_from(CITIES), st.sampled_from(["wrong", "asked", "unknown"])
        ),
    ),
    min_size=1,
    max_size=40,
)
"""Time since the evaluation before, and how each city stands; one not named is well."""


def _store(changes: Changes, ids: "count[int]") -> list[Alert]:
    """Return the open alerts as a store would give them."""
    opened = [
        Alert(next(ids), alert.problem, alert.opened_at, alert.notified_at)
        for alert in changes.opened
    ]
    return [*changes.reminded, *changes.kept, *opened]


def _assess(standing: dict[str, str]) -> Assessment:
    return Assessment(
        tuple(make_problem(city) for city, how in standing.items() if how == "wrong"),
        on_their_way={
            "pings_full": {
                day
                for city, how in standing.items()
                if how == "asked"
                for day in make_days(city, 0)
            }
        },
        unjudged_cities=frozenset(
            city for city, how in standing.items() if how == "unknown"
        ),
    )


def _play(
    history: Sequence[tuple[timedelta, dict[str, str]]],
) -> list[tuple[datetime, dict[str, str], Changes]]:
    ids, now, alerts = count(1), NOW, list[Alert]()
    played = []
    for later, standing in history:
        now += later
        changes = follow(alerts, _assess(standing), now)
        alerts = _store(changes, ids)
        played.append((now, standing, changes))
    return played


@given(histories)
def test_never_two_open_alerts_of_one_problem(
    history: list[tuple[timedelta, dict[str, str]]],
) -> None:
    """Whatever happens, the keys of open alerts differ, and what is wrong has one."""
    for _, standing, changes in _play(history):
        keys = Counter[Key](alert.problem.key for alert in changes.open)
        assert all(times == 1 for times in keys.values())
        wrong = {city for city, how in standing.items() if how == "wrong"}
        assert wrong <= {key[2] for key in keys}


@given(histories)
def test_opened_and_closed_take_turns(
    history: list[tuple[timedelta, dict[str, str]]],
) -> None:
    """Each episode opens once when a city goes wrong, and closes once when it is well."""
    is_open = dict.fromkeys(CITIES, False)
    for _, standing, changes in _play(history):
        opened = {alert.problem.subject for alert in changes.opened}
        closed = {alert.problem.subject for alert in changes.closed}
        for city in CITIES:
            how = standing.get(city, "well")
            assert (city in opened) == (how == "wrong" and not is_open[city])
            assert (city in closed) == (how == "well" and is_open[city])
            is_open[city] = how == "wrong" or (is_open[city] and how != "well")


@given(histories)
def test_an_open_alert_is_told_once_a_day(
    history: list[tuple[timedelta, dict[str, str]]],
) -> None:
    """Never twice within half a day or in one UTC day, and always within a day and a half."""
    told: dict[int, list[datetime]] = {}
    for now, _, changes in _play(history):
        for alert in (*changes.reminded, *changes.kept):
            assert alert.id is not None
            times = told.setdefault(alert.id, [alert.opened_at])
            if alert in changes.reminded:
                times.append(now)
            assert now - times[-1] < timedelta(hours=36)
    for times in told.values():
        for earlier, later in pairwise(times):
            assert later - earlier >= timedelta(hours=12)
            assert later.date() > earlier.date()


@given(histories)
def test_evaluating_again_at_the_same_instant_tells_nothing(
    history: list[tuple[timedelta, dict[str, str]]],
) -> None:
    """The second evaluation changes no alert."""
    (*_, (now, standing, changes)) = _play(history)
    alerts = _store(changes, count(1))
    again = follow(alerts, _assess(standing), now)
    assert again.told == ()
    # In any order.
    assert {alert.problem.subject: alert for alert in again.kept} == {
        alert.problem.subject: alert for alert in alerts
    }


def _open(problem: Problem) -> Alert:
    (alert,) = follow((), Assessment((problem,)), NOW).opened
    return Alert(1, alert.problem, alert.opened_at, alert.notified_at)


def test_all_open_alerts_are_repeated_together() -> None:
    """Opened hours apart, they are told by one notification a day from then on."""
    problems = (make_problem("c/a"), make_problem("c/b"))
    first = _open(problems[0])
    second = Alert(2, problems[1], NOW, NOW + timedelta(hours=1))
    tomorrow = NOW.replace(hour=13, minute=5) + timedelta(days=1)
    changes = follow((first, second), Assessment(problems), tomorrow)
    assert len(changes.reminded) == 2


def test_days_that_are_asked_for_again_stay_in_their_alert() -> None:
    """Two are missing and one of them is asked for anew: none is repaired yet."""
    alert = _open(make_problem("c/a", 3, 4))
    again = {"pings_full": frozenset(make_days("c/a", 4))}
    seen = Assessment((make_problem("c/a", 3),), on_their_way=again)
    (kept,) = follow((alert,), seen, NOW).kept
    assert kept.problem.city_days == 2
    (waiting,) = follow((kept,), Assessment((), on_their_way=again), NOW).kept
    assert waiting.problem.city_days == 1
    assert "asked for again" in waiting.problem.by_itself
    assert follow((waiting,), Assessment(()), NOW).closed


def test_alert_of_a_feed_that_cannot_be_judged_stays_open() -> None:
    """A registry that cannot be read repairs nothing."""
    alert = _open(make_problem())
    blind = Assessment((), unjudged_feeds=frozenset({"pings_full"}))
    assert follow((alert,), blind, NOW).kept == (alert,)

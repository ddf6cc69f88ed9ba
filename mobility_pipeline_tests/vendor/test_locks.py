"""Tests of the landing lock; `test_database.py` has those of waiting for any lock."""

import threading
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from mobility_pipeline.errors import LedgerError
from mobility_pipeline.schemas.feeds import FEEDS
from mobility_pipeline.vendor.database import open_database
from mobility_pipeline.vendor.ledger import Ledger, open_ledger
from mobility_pipeline.vendor.locks import MIGRATION, SUBMISSION, landing_lock
from mobility_pipeline_tests.vendor.lock_holders import count_at_once, held_elsewhere

FEED = "pings_full"
DAY = date(2024, 5, 1)


def test_locks_have_numbers_of_their_own() -> None:
    """No date of a feed, and no other lock, shares a number with another in PostgreSQL."""
    days = [date.min, *(DAY + timedelta(days) for days in range(1000)), date.max]
    numbers = [landing_lock(feed, day).number for feed in FEEDS for day in days]
    numbers += [MIGRATION.number, SUBMISSION.number]
    assert len(set(numbers)) == len(numbers)
    assert all(0 < number < 2**63 for number in numbers)


def test_dates_of_a_job_and_feeds_of_a_date_have_files_of_their_own() -> None:
    """What is usually published at the same time never waits for each other."""
    month = {landing_lock(FEED, DAY + timedelta(days)).name for days in range(31)}
    assert len(month) == 31
    feeds = {landing_lock(feed, DAY).name for feed in FEEDS}
    assert len(feeds) == len(FEEDS)


def test_locks_of_years_are_few_files(tmp_path: Path) -> None:
    """Beside a SQLite ledger there are at most 64 landing locks, ever."""
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    for days in range(100):
        with ledger.landing_lock(FEED, DAY + timedelta(days)):
            pass
    assert len(list(tmp_path.glob("ledger.sqlite.landing-*.lock"))) == 64


@pytest.mark.processes
def test_other_dates_and_feeds_do_not_wait(ledger_url: str, ledger: Ledger) -> None:
    """One process publishes a date; others of that month, and of other feeds, go on."""
    with held_elsewhere(ledger_url, FEED, DAY), ExitStack() as held:
        held.enter_context(ledger.submission_lock())
        for feed in FEEDS.keys() - {FEED}:
            held.enter_context(ledger.landing_lock(feed, DAY))
        for days in range(1, 31):
            with ledger.landing_lock(FEED, DAY + timedelta(days)):
                pass


@pytest.mark.processes
def test_lock_of_a_killed_process_is_free(
    ledger_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Who waits for a date is told so, and enters when the holder is killed."""
    told, entered = threading.Event(), threading.Event()
    caplog.handler.addFilter(lambda record: told.set() or True)
    database = open_database(ledger_url, patience_s=0.1)

    def publish() -> None:
        with database.landing_lock(FEED, DAY):
            entered.set()

    waiting = threading.Thread(target=publish)
    with held_elsewhere(ledger_url, FEED, DAY) as holder:
        waiting.start()
        assert told.wait(timeout=10)
        assert not entered.is_set()
        holder.kill()
        assert entered.wait(timeout=10)
    waiting.join(timeout=10)
    assert caplog.messages == [
        "waiting: another process is publishing city-days; pings_full 2024-05-01 is next"
    ]


@pytest.mark.processes
def test_processes_and_threads_enter_one_by_one(
    ledger_url: str, tmp_path: Path
) -> None:
    """Of three processes with two threads each, one at a time is inside."""
    open_ledger(ledger_url).close()
    counter = tmp_path / "counter"
    counter.touch()
    exits = count_at_once(ledger_url, [DAY] * 3, counter, threads=2, rounds=10)
    assert exits == [0, 0, 0]
    assert counter.read_text() == "60"


def test_lock_lost_with_the_database_is_an_error(postgres_url: str) -> None:
    """Where PostgreSQL ends the connection meanwhile, the holder learns it at the end."""
    ledger = open_ledger(postgres_url)
    engine = sa.create_engine(postgres_url, poolclass=NullPool)
    end = sa.text(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
    )
    with (
        pytest.raises(LedgerError, match="the ledger's database"),
        ledger.landing_lock(FEED, DAY),
        engine.connect() as connection,
    ):
        assert connection.execute(end).all() == [(True,)]
    with ledger.landing_lock(FEED, DAY):
        pass

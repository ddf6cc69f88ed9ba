import pytest

from mobility_pipeline.serving.console.sessions import IDLE_S, Sessions


class _Clock:
    now_s = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> _Clock:
    """A clock that only a test moves."""
    return _Clock()


@pytest.fixture
def sessions(clock: _Clock) -> Sessions:
    """No session yet."""
    return Sessions("secret", "hash", now_s=clock)


def test_session_ends_after_12_hours_without_use(
    sessions: Sessions, clock: _Clock
) -> None:
    """Each use begins the 12 hours anew; looking whether it is over is no use."""
    cookie = sessions.open("admin")
    clock.now_s += IDLE_S - 1
    assert sessions.find(cookie) is not None
    clock.now_s += IDLE_S - 1
    found = sessions.find(cookie, is_use=False)
    assert found is not None
    assert found.user == "admin"
    clock.now_s += 1
    assert IDLE_S == 12 * 3600
    assert sessions.find(cookie) is None


def test_session_that_was_closed_is_over_for_every_copy_of_its_cookie(
    sessions: Sessions, clock: _Clock
) -> None:
    """Signing out ends what was renewed too; nobody else's session."""
    first, other = sessions.open("admin"), sessions.open("admin")
    found = sessions.find(first)
    assert found is not None
    clock.now_s += 60
    renewed = sessions.renew(found)
    sessions.close(found)
    assert [sessions.find(cookie) for cookie in (first, renewed)] == [None, None]
    assert sessions.find(other) is not None


def test_session_outlives_a_restart_with_the_same_secret_and_password(
    sessions: Sessions, clock: _Clock
) -> None:
    """Another secret or another password lets nobody in."""
    cookie = sessions.open("admin")
    assert Sessions("secret", "hash", now_s=clock).find(cookie) is not None
    assert Sessions("other", "hash", now_s=clock).find(cookie) is None
    assert Sessions("secret", "other", now_s=clock).find(cookie) is None


@pytest.mark.parametrize("forge", ["", "x", "eyJpZCI6IjEifQ", "a.b.c", "é", "\x00"])
def test_forged_cookie_is_none(sessions: Sessions, forge: str) -> None:
    """Whatever somebody sends instead of a cookie of ours."""
    assert sessions.find(forge) is None
    assert sessions.find(sessions.open("admin") + forge + "x") is None

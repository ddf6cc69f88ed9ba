import pytest

from mobility_pipeline.errors import ConfigurationError
from mobility_pipeline.serving.console.passwords import (
    LOCK_S,
    Doorkeeper,
    check_hash,
    hash_password,
)
from mobility_pipeline_tests.serving.conftest import PASSWORD


class _Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> _Clock:
    """A clock that only a test moves."""
    return _Clock()


@pytest.fixture
def doorkeeper(clock: _Clock, password_hash: str) -> Doorkeeper:
    """Lets admin in."""
    return Doorkeeper("admin", password_hash, clock)


def test_five_wrong_tries_lock_even_the_right_password_for_15_minutes(
    doorkeeper: Doorkeeper, clock: _Clock
) -> None:
    """The fifth wrong try locks; a quarter of an hour later all is forgotten."""
    answers = [doorkeeper.ask("admin", "guess", "10.0.0.1") for _ in range(5)]
    assert answers == ["wrong"] * 4 + ["locked"]
    clock.now_s += LOCK_S - 1
    assert doorkeeper.ask("admin", PASSWORD, "10.0.0.1") == "locked"
    clock.now_s += 1
    assert LOCK_S == 15 * 60
    assert doorkeeper.ask("admin", PASSWORD, "10.0.0.1") == "right"


def test_lock_is_of_one_name_from_one_address(doorkeeper: Doorkeeper) -> None:
    """Who guesses elsewhere, or another name, locks nobody else out."""
    for _ in range(5):
        doorkeeper.ask("admin", "guess", "10.0.0.1")
        doorkeeper.ask("root", "guess", "10.0.0.2")
    assert doorkeeper.ask("admin", PASSWORD, "10.0.0.2") == "right"


def test_right_password_forgets_the_wrong_tries_before_it(
    doorkeeper: Doorkeeper,
) -> None:
    """Four slips, then right, then four slips again: not locked."""
    for _ in range(2):
        for _ in range(4):
            doorkeeper.ask("admin", "slip", "10.0.0.1")
        assert doorkeeper.ask("admin", PASSWORD, "10.0.0.1") == "right"


@pytest.mark.parametrize("user", ["", "Admin", "admin ", "root", "' OR 1=1 --"])
def test_right_password_of_another_name_is_wrong(
    doorkeeper: Doorkeeper, user: str
) -> None:
    """Only the one name comes in."""
    assert doorkeeper.ask(user, PASSWORD, "10.0.0.1") == "wrong"


@pytest.mark.parametrize("password", ["", "short", "x" * 1_001])
def test_password_that_is_too_short_or_far_too_long_is_refused(password: str) -> None:
    """Says how long it may be."""
    with pytest.raises(ConfigurationError, match="8 to 1,000 characters"):
        hash_password(password)


@pytest.mark.parametrize(
    "text", ["", "secret", "$argon2id$v=19$", "$2b$12$abcdefghijk"]
)
def test_what_is_no_argon2_hash_is_refused_with_words(text: str) -> None:
    """Says how to make one."""
    with pytest.raises(ConfigurationError, match="mobility console hash-password"):
        check_hash(text)

"""Settings: every variable, its default, and what a wrong one says."""

import os
import re

import pytest

from mobility_pipeline.errors import ConfigurationError
from mobility_pipeline.settings import (
    PROJECT,
    Settings,
    child_environment,
    load_settings,
)


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("MOBILITY_ENV_FILE", os.devnull)


def test_bare_laptop_needs_no_variable() -> None:
    """Without any variable the documented defaults hold."""
    settings = load_settings()
    assert settings.veraset_api_url == "https://platform.prd.veraset.tech"
    assert (settings.veraset_max_areas, settings.veraset_max_days) == (200, 31)
    assert settings.veraset_lag_days == 7
    assert settings.sync_time == "02:00"
    assert settings.ledger_url == f"sqlite:///{PROJECT / '.mobility' / 'ledger.sqlite'}"


def test_key_is_trimmed_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blanks around the key go, and no repr holds it."""
    monkeypatch.setenv("VERASET_API_KEY", "  synthetic-key\n")
    settings = load_settings()
    assert settings.require_api_key() == "synthetic-key"
    assert "synthetic-key" not in repr(settings)


def test_missing_key_names_its_variable() -> None:
    """A blank key is a missing one, and the error names the variable."""
    with pytest.raises(ConfigurationError, match="VERASET_API_KEY"):
        load_settings().require_api_key()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("VERASET_MAX_AREAS", "many"),
        ("VERASET_COST_MODEL", "cheapest"),
        ("SYNC_TIME", "25:00"),
        ("VERASET_API_URL", "platform.example"),
        ("OVERPASS_API_URL", "overpass.example"),
        ("NOMINATIM_API_URL", "ftp://nominatim.example"),
        ("MOBILITY_CONTACT", "a@example.invalid\r\nX-Header: 1"),
        ("MOBILITY_CONTACT", "Jörg"),
        ("MOBILITY_START_DATE", "2024-13-01"),
        ("S3_BUCKET", "bucket/folder"),
    ],
)
def test_wrong_value_is_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """A wrong value is refused by its variable's name, without the value."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=variable) as caught:
        load_settings()
    assert "\n" not in str(caught.value)
    assert value not in str(caught.value)


def test_empty_value_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable, as in a copied .env.example, leaves the default."""
    monkeypatch.setenv("VERASET_MONTHLY_JOBS", "")
    assert load_settings().veraset_monthly_jobs is None


def test_session_is_never_longer_than_sts_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The users' old value of 12 hours becomes one hour."""
    monkeypatch.setenv("AWS_SESSION_DURATION", "43200")
    assert load_settings().aws_session_duration == 3600


def test_two_feeds_in_one_bucket_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feeds that would mix are named, with the variables that part them."""
    monkeypatch.setenv("S3_BUCKET", "lake")
    words = ["MOVEMENT_PINGS_FULL", "MOVEMENT_PINGS_TRIPS"]
    with pytest.raises(ConfigurationError, match="S3_BUCKET_MOVEMENT_PINGS_TRIPS"):
        load_settings().check_buckets(words)
    monkeypatch.setenv("S3_BUCKET_MOVEMENT_PINGS_TRIPS", "trips")
    load_settings().check_buckets(words)


def test_child_environment_holds_none_of_our_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A child gets what it is given and nothing of the real accounts."""
    monkeypatch.setenv("VERASET_API_KEY", "real")
    monkeypatch.setenv("AWS_PROFILE", "real")
    child = child_environment(S3_BUCKET="demo")
    assert "VERASET_API_KEY" not in child
    assert "AWS_PROFILE" not in child
    assert child["S3_BUCKET"] == "demo"
    assert "PATH" in child


def test_every_variable_is_in_the_example() -> None:
    """`.env.example` names each variable, and no other."""
    text = (PROJECT / ".env.example").read_text()
    named = set(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", text, re.MULTILINE))
    assert named == {name.upper() for name in Settings.model_fields} | {
        "MOBILITY_ENV_FILE"
    }

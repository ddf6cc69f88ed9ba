from pathlib import Path

import pytest

from mobility_pipeline.errors import StorageError, StorageForbiddenError
from mobility_pipeline.resources.identity import Identity
from mobility_pipeline.settings import read_settings
from mobility_pipeline_tests.landing.store import make_buckets
from mobility_pipeline_tests.landing.wire import Wire

ROLE = "arn:aws:iam::123456789012:role/writer"


@pytest.fixture
def profiles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let boto3 know no identity but those in a file of credentials, and give the file."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return tmp_path / "credentials"


def test_the_ambient_identity_may_be_a_profile(
    profiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without keys in the settings boto3's chain is asked."""
    profiles.write_text(
        "[un]\naws_access_key_id = key\naws_secret_access_key = secret\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "un")
    found = Identity(read_settings({}), None).credentials()
    assert (found.access_key, found.secret_key, found.token) == ("key", "secret", None)


def test_keys_of_the_settings_come_first(profiles: Path) -> None:
    """They are the ambient identity, with their session's token."""
    profiles.write_text("[default]\naws_access_key_id = x\naws_secret_access_key = y\n")
    settings = read_settings(
        {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_SESSION_TOKEN": "token",
        }
    )
    found = Identity(settings, None).credentials()
    assert (found.access_key, found.secret_key, found.token) == (
        "key",
        "secret",
        "token",
    )


@pytest.mark.parametrize("role_arn", [None, ROLE])
@pytest.mark.usefixtures("profiles")
def test_no_identity_is_permanent(wire: Wire, role_arn: str | None) -> None:
    """The message says which variables to set."""
    identity = Identity(read_settings({"AWS_ENDPOINT_URL": wire.url}), role_arn)
    with pytest.raises(StorageForbiddenError, match="AWS_ACCESS_KEY_ID"):
        identity.credentials()


@pytest.mark.usefixtures("profiles")
def test_an_unknown_profile_is_permanent(monkeypatch: pytest.MonkeyPatch) -> None:
    """So is a profile that nobody wrote."""
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StorageForbiddenError, match="ProfileNotFound"):
        Identity(read_settings({}), None).credentials()


def test_sts_that_is_not_there_is_transient() -> None:
    """It may be there again later; the message names the role."""
    identity = make_buckets("http://127.0.0.1:9", ROLE, AWS_MAX_ATTEMPTS="1").identity
    with pytest.raises(StorageError, match="role/writer"):
        identity.credentials()

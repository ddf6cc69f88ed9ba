from pathlib import Path

import pytest

from mobility_pipeline.errors import ProfilesRefusedError, StorageForbiddenError
from mobility_pipeline.landing.storage import Bucket
from mobility_pipeline.resources.profiles import open_profiles
from mobility_pipeline.settings import Settings, read_settings

CONTENT = b"device_id,gender,age\nU1,m,20\n"


@pytest.fixture
def environment(s3_url: str) -> dict[str, str]:
    """Variables of somebody with a store."""
    return {
        "AWS_ENDPOINT_URL": s3_url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "2",
    }


def of(environment: dict[str, str], source: str) -> Settings:
    """Return settings with a file of profiles."""
    return read_settings(environment | {"ANALYTICS_PROFILES": source})


def test_profiles_are_read_from_a_bucket(
    environment: dict[str, str], bucket: Bucket
) -> None:
    """An `s3://` address is read with the lake's role."""
    bucket.put("people/all.csv", CONTENT, "text/csv", "storing profiles")
    profiles = open_profiles(of(environment, f"s3://{bucket.name}/people/all.csv"))
    assert profiles is not None
    assert profiles.rows() == [("U1", "male", 20)]


def test_profiles_are_read_from_a_file(tmp_path: Path) -> None:
    """A path is read from this machine; without the setting nobody has a profile."""
    path = tmp_path / "people.csv"
    path.write_bytes(CONTENT)
    profiles = open_profiles(of({}, str(path)))
    assert profiles is not None
    assert profiles.height == 1
    assert open_profiles(read_settings({})) is None


def test_what_is_not_there_is_told(environment: dict[str, str], bucket: Bucket) -> None:
    """A missing object, an address without one and a missing bucket are told apart."""
    with pytest.raises(ProfilesRefusedError, match=r"none\.csv is not there"):
        open_profiles(of(environment, f"s3://{bucket.name}/none.csv"))
    with pytest.raises(ProfilesRefusedError, match="names no file"):
        open_profiles(of(environment, f"s3://{bucket.name}"))
    with pytest.raises(StorageForbiddenError, match="reading s3://no-such-bucket"):
        open_profiles(of(environment, "s3://no-such-bucket-of-ours/people.csv"))

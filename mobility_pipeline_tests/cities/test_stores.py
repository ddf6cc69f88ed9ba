from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
import pytest
from obstore.exceptions import (
    GenericError,
    InvalidPathError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

from mobility_pipeline.cities.stores import open_store, translated_errors
from mobility_pipeline.errors import (
    CityChangedError,
    ConfigurationError,
    MobilityError,
    StorageError,
    StorageForbiddenError,
)

if TYPE_CHECKING:
    from obstore.store import ObjectStore


def open_folder(location: str) -> "ObjectStore":
    """Open a place that is not on S3."""
    return open_store(location, endpoint_url=None, region="us-west-2")


@pytest.mark.parametrize("location", ["gs://bucket/cities", "file:///cities", "s3://"])
def test_unknown_location_is_refused(location: str) -> None:
    """Only a folder or an S3 prefix with a bucket will do."""
    with pytest.raises(ConfigurationError, match="MOBILITY_CITIES"):
        open_folder(location)


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    """A folder that is not there, or is a file, is named with its variable."""
    file = tmp_path / "file"
    file.touch()
    for location in (tmp_path / "missing", file):
        with pytest.raises(
            ConfigurationError, match=r"MOBILITY_CITIES.*no such folder"
        ):
            open_folder(str(location))


@pytest.mark.parametrize(
    ("cause", "meaning"),
    [
        (PermissionDeniedError("no"), StorageForbiddenError),
        (UnauthenticatedError("no"), StorageForbiddenError),
        (GenericError("status code: 403 Forbidden: ..."), StorageForbiddenError),
        (GenericError("404 Not Found: <Code>NoSuchBucket</Code>"), ConfigurationError),
        (GenericError("error sending request\n\nDebug source"), StorageError),
        (PreconditionError("If-Match"), CityChangedError),
        (InvalidPathError("empty segment"), ConfigurationError),
        (FileNotFoundError("gone"), StorageError),
    ],
)
def test_failure_has_a_meaning(cause: Exception, meaning: type[MobilityError]) -> None:
    """Each failure of a store becomes one line that says what was being done."""
    with (
        pytest.raises(meaning, match="reading city a/b") as caught,
        translated_errors("reading city a/b"),
    ):
        raise cause
    assert type(caught.value) is meaning
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is cause


class TestFolderWrites:
    """What the registry relies on: obstore replaces a file of a folder in one step."""

    def test_crash_before_the_end_keeps_the_old_file(self, tmp_path: Path) -> None:
        """A write that breaks off leaves the old content, and nothing listed."""
        store = open_folder(str(tmp_path))
        obstore.put(store, "a/b.geojson", b"old")

        def breaks_off() -> Iterator[bytes]:
            yield b"x" * 10_000_000
            raise RuntimeError("power cut")

        with pytest.raises(RuntimeError, match="power cut"):
            obstore.put(store, "a/b.geojson", breaks_off())
        assert (tmp_path / "a/b.geojson").read_bytes() == b"old"
        pages = obstore.list(store)
        assert [item["path"] for page in pages for item in page] == ["a/b.geojson"]

    def test_reader_keeps_the_file_it_opened(self, tmp_path: Path) -> None:
        """A replacement is a new file of that name, not a change of the old one."""
        store = open_folder(str(tmp_path))
        obstore.put(store, "b.geojson", b"old")
        with (tmp_path / "b.geojson").open("rb") as reader:
            obstore.put(store, "b.geojson", b"new")
            assert reader.read() == b"old"
        assert (tmp_path / "b.geojson").read_bytes() == b"new"

"""The one comparison of a city-day's folder with what its manifest says. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mobility_pipeline.lake.manifest import ManifestFile

OBJECT_MISSING = "object_missing"
SIZE_DIFFERS = "size_differs"
CHECKSUM_DIFFERS = "checksum_differs"
STRAY_PARQUET = "stray_parquet"

_SPOILT = (OBJECT_MISSING, SIZE_DIFFERS)
_AGAIN = "request the day again with --refresh"


@dataclass(frozen=True)
class Difference:
    """One object that is not what the manifest says; what to do is in its message."""

    kind: str
    message: str


def compare_contents(
    files: Sequence[ManifestFile], sizes: Mapping[str, int], digests: Mapping[str, str]
) -> Iterator[Difference]:
    """Yield each object that is missing, differs, or is in no manifest.

    Args:
        files: the parts that the manifest names; none where there is no manifest.
        sizes: bytes of each object of the folder, by name, from a listing that succeeded.
        digests: sha256 of the objects that were read, hexadecimal; one that was not read
            is not judged by it.
    """
    for file in files:
        size = sizes.get(file.name)
        if size is None:
            yield Difference(OBJECT_MISSING, f"{file.name} is missing: {_AGAIN}")
        elif size != file.bytes:
            yield Difference(
                SIZE_DIFFERS,
                f"{file.name} has {size} bytes instead of {file.bytes}: {_AGAIN}",
            )
        elif digests.get(file.name, file.sha256) != file.sha256:
            # Publishing leaves a part of the right name and size alone.
            yield Difference(
                CHECKSUM_DIFFERS,
                f"{file.name} has another sha256 than the manifest says: delete it, then "
                + _AGAIN,
            )
    named = {file.name for file in files}
    for name in sorted(sizes.keys() - named):
        if name.endswith(".parquet"):
            yield Difference(
                STRAY_PARQUET, f"{name} is in no manifest: {_AGAIN}, or delete it"
            )


def find_spoilt(files: Sequence[ManifestFile], sizes: Mapping[str, int]) -> str:
    """Return which part is not there as its manifest says; empty = each one is.

    Args:
        files: the parts that the manifest names.
        sizes: as for `compare_contents`.
    """
    differences = compare_contents(files, sizes, {})
    return "; ".join(
        difference.message
        for difference in differences
        if difference.kind in _SPOILT  # a stray part spoils nothing
    )

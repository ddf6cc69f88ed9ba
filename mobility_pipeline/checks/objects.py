"""Is what lies in a city-day's folder what its manifest says?"""

from collections.abc import Mapping

from mobility_pipeline.checks.finding import Finding, failed, passed
from mobility_pipeline.lake.contents import compare_contents
from mobility_pipeline.lake.manifest import Manifest

NAME = "manifest_matches_objects"


def manifest_matches_objects(
    manifest: Manifest, sizes: Mapping[str, int], digests: Mapping[str, str]
) -> Finding:
    """Compare a manifest with the objects of its folder.

    Args:
        manifest: of the city-day.
        sizes: bytes of each object of the folder, by name, from a listing that succeeded.
        digests: sha256 of the objects that were read, hexadecimal; one that was not read is
            not judged by it.

    Returns:
        An error that names each object that is missing, differs, or is in no manifest.
    """
    differences = [*compare_contents(manifest.files, sizes, digests)]
    numbers = {
        "files": len(manifest.files),
        "bytes": manifest.bytes,
        "files_read": len(digests.keys() & {file.name for file in manifest.files}),
    }
    if differences:
        text = "; ".join(difference.message for difference in differences)
        return failed(NAME, text, numbers)
    return passed(
        NAME, f"{len(manifest.files)} files are as the manifest says", numbers
    )

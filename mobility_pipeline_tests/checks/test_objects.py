from mobility_pipeline.checks.finding import Severity
from mobility_pipeline.checks.objects import manifest_matches_objects
from mobility_pipeline_tests.lake.publisher import make_content

CONTENT = make_content(["a"], ["b", "c"])
FIRST, SECOND = CONTENT.manifest.files
SIZES = {FIRST.name: FIRST.bytes, SECOND.name: SECOND.bytes, "_manifest.json": 1}
DIGESTS = {FIRST.name: FIRST.sha256, SECOND.name: SECOND.sha256}


def test_objects_as_the_manifest_says_pass() -> None:
    """Other files than parquet may lie beside them."""
    assert manifest_matches_objects(CONTENT.manifest, SIZES, DIGESTS).passed


def test_a_missing_object_is_named() -> None:
    """It is listed nowhere."""
    sizes = {FIRST.name: FIRST.bytes}
    found = manifest_matches_objects(CONTENT.manifest, sizes, DIGESTS)
    assert (found.passed, found.severity) == (False, Severity.ERROR)
    assert f"{SECOND.name} is missing" in found.message


def test_another_size_is_named_with_both() -> None:
    """One byte more than the manifest says."""
    sizes = {**SIZES, FIRST.name: FIRST.bytes + 1}
    found = manifest_matches_objects(CONTENT.manifest, sizes, DIGESTS)
    assert f"{FIRST.bytes + 1} bytes instead of {FIRST.bytes}" in found.message


def test_another_sha256_is_named() -> None:
    """Of an object that was read; one that was not is judged by its size."""
    digests = {FIRST.name: "0" * 64}
    found = manifest_matches_objects(CONTENT.manifest, SIZES, digests)
    assert f"{FIRST.name} has another sha256" in found.message
    assert SECOND.name not in found.message
    unread = manifest_matches_objects(CONTENT.manifest, SIZES, {})
    assert unread.passed
    assert unread.numbers["files_read"] == 0


def test_a_stray_parquet_file_is_named() -> None:
    """Readers that glob would take it."""
    sizes = {**SIZES, "old.parquet": 3}
    found = manifest_matches_objects(CONTENT.manifest, sizes, DIGESTS)
    assert "old.parquet is in no manifest" in found.message


def test_a_day_known_to_be_empty_has_no_objects() -> None:
    """Its manifest alone is right; a part beside it is not."""
    empty = make_content().manifest
    assert manifest_matches_objects(empty, {"_manifest.json": 1}, {}).passed
    assert not manifest_matches_objects(empty, SIZES, {}).passed

import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from mobility_pipeline.cities.uploads.archive import Limits
from mobility_pipeline.cities.uploads.opening import open_upload, read_file
from mobility_pipeline.errors import UploadRefusedError
from mobility_pipeline_tests.cities.uploads.files import make_geojson, make_zip

_SMALL = Limits(
    file_bytes=100_000, unpacked_bytes=50_000, ratio=10, free_bytes=2_000, members=5
)


def make_link() -> bytes:
    """A zip file with a symbolic link to a file of ours."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        member = zipfile.ZipInfo("area.geojson")
        member.create_system = 3
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, "/etc/passwd")
    return content.getvalue()


def make_locked() -> bytes:
    """A zip file whose member is marked as encrypted."""
    content = bytearray(make_zip({"area.geojson": make_geojson()}))
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(magic) + offset] |= 0x1
    return bytes(content)


def make_liar() -> bytes:
    """A zip bomb whose headers say that it unpacks to 100 bytes."""
    content = bytearray(make_zip({"area.geojson": b" " * 3_000_000}))
    for magic, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = content.index(magic) + offset
        content[place : place + 4] = struct.pack("<I", 100)
    return bytes(content)


def make_crowd() -> bytes:
    """A zip file with more members than are allowed."""
    return make_zip({f"{number}.txt": b"" for number in range(6)})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (make_zip({"../area.geojson": make_geojson()}), "leads out of it"),
        (make_zip({"a/../../area.geojson": make_geojson()}), "leads out of it"),
        (make_zip({"/etc/area.geojson": make_geojson()}), "leads out of it"),
        (make_zip({"C:\\area.geojson": make_geojson()}), "leads out of it"),
        (make_zip({"..\\area.geojson": make_geojson()}), "leads out of it"),
        (make_link(), "holds a link"),
        (make_locked(), "protected by a password"),
        (make_liar(), "damaged"),
        (make_crowd(), "holds 6 files, more than 5"),
        (make_zip({"inner.zip": make_zip({"a.geojson": b"{}"})}), "another archive"),
        (make_zip({"inner.RAR": b"Rar!"}), "another archive"),
        (make_zip({"inner.7z": b"7z"}), "another archive"),
        (make_zip({"a.geojson": b" " * 40_000}), "unpacks to far more"),
        (make_zip({f"{n}.geojson": bytes(1_500) for n in "ab"}), "unpacks to far more"),
        (make_zip({"area.geojson": make_geojson()})[:-30], "damaged"),
        (make_zip({"README.txt": b"hello"}), "holds no map layer"),
        (make_zip({"area.kml": b"<kml/>"}), "holds no map layer"),
        (make_zip({}), "holds no map layer"),
        (b"Rar!\x1a\x07\x01\x00", "RAR archive"),
        (b"7z\xbc\xaf\x27\x1c\x00", "7z archive"),
        (b"\x1f\x8b\x08\x00", "gzip archive"),
        (b"", "the file is empty"),
        (b"x" * 100_001, r"larger than 0\.0954 MB"),
        (b"<kml/>", "another format"),
        (b"%PDF-1.7", "another format"),
        (b"\x00\x00\x27\x0a" + bytes(96), "one part of a shapefile"),
    ],
)
def test_unsafe_or_unusable_file_is_refused_in_words(
    content: bytes, words: str
) -> None:
    """Each kind of bad file says what it is."""
    with pytest.raises(UploadRefusedError, match=words):
        open_upload(content, "area.zip", _SMALL)


def test_litter_of_other_systems_is_ignored() -> None:
    """What macOS and Windows put beside a layer is no layer; folders are fine."""
    content = make_zip(
        {
            "__MACOSX/deep/._area.geojson": b"\x00\x05\x16\x07",
            "deep/._area.geojson": b"\x00\x05\x16\x07",
            "deep/.DS_Store": b"\x00",
            "deep/down/area.geojson": make_geojson(),
            "deep/Thumbs.db": b"\x00",
        }
    )
    assert [layer.name for layer in open_upload(content, "a.zip").layers] == ["area"]


def test_bomb_is_refused_with_the_usual_limits() -> None:
    """300 MB of blanks in 300 KB are not unpacked to the end."""
    content = make_zip({"area.geojson": b" " * 60_000_000})
    with pytest.raises(UploadRefusedError, match="unpacks to far more"):
        open_upload(content, "area.zip")


def test_file_of_this_machine_is_not_read_past_the_limit(tmp_path: Path) -> None:
    """A file larger than the limit is refused; one that is not there, too."""
    file = tmp_path / "area.geojson"
    file.write_bytes(b" " * 200_000)
    with pytest.raises(UploadRefusedError, match="larger than"):
        read_file(file, _SMALL)
    with pytest.raises(UploadRefusedError, match="can't be read"):
        read_file(tmp_path / "missing", _SMALL)

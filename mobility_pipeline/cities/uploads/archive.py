"""Zip files from anybody: unpacked in memory, with bounds, and never onto a disk."""

import lzma
import re
import stat
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath

from mobility_pipeline.cities.quoting import quote
from mobility_pipeline.errors import UploadRefusedError

MEBIBYTE = 1024 * 1024

_CHUNK = MEBIBYTE // 4
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_DRIVE = re.compile(r"[A-Za-z]:")
_LITTER = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")
_ARCHIVES = (
    *(".zip", ".kmz", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst"),
)
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,  # by a subclass also for a way of packing that Python can't read
)


@dataclass(frozen=True)
class Limits:
    """How much of a stranger's file is read."""

    file_bytes: int = 50 * MEBIBYTE
    """Of the file as it was sent."""
    unpacked_bytes: int = 250 * MEBIBYTE
    """Of all members that are read."""
    ratio: int = 100
    """Unpacked to packed, once `free_bytes` are passed: tables of blanks pack well."""
    free_bytes: int = 20 * MEBIBYTE
    """Unpacked size below which the ratio does not matter."""
    members: int = 1_000


LIMITS = Limits()


def unpack(content: bytes, suffixes: Sequence[str], limits: Limits) -> dict[str, bytes]:
    """Unpack the members of a zip file that end in one of the suffixes.

    Sizes are counted while reading: what the file's headers say is not believed.

    Args:
        content: of the zip file.
        suffixes: lower case, with the dot; other members are not read at all.
        limits: what is too much.

    Returns:
        Path in the zip file, with `/` -> content.

    Raises:
        UploadRefusedError: damaged, encrypted, too large, or holding links, paths that
            lead out of it, or other archives.
    """
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            members = archive.infolist()
            if len(members) > limits.members:
                raise UploadRefusedError(
                    f"the zip file holds {len(members):,} files, more than "
                    f"{limits.members:,}: send only the layers that are needed"
                )
            return _read_members(archive, members, suffixes, len(content), limits)
    except _DAMAGE as error:
        raise UploadRefusedError(
            f"the zip file is damaged or packed in an unusual way ({error}): "
            "pack it again as an ordinary zip file"
        ) from error


def _read_members(
    archive: zipfile.ZipFile,
    members: Sequence[zipfile.ZipInfo],
    suffixes: Sequence[str],
    packed_bytes: int,
    limits: Limits,
) -> dict[str, bytes]:
    allowed = min(
        limits.unpacked_bytes, max(limits.free_bytes, limits.ratio * packed_bytes)
    )
    unpacked: dict[str, bytes] = {}
    for member in members:
        path = _check_path(member)
        if member.is_dir() or _is_litter(path):
            continue
        _check_kind(member, path)
        if path.suffix.lower() not in suffixes:
            continue
        if str(path) in unpacked:
            raise UploadRefusedError(f"the zip file holds {quote(str(path))} twice")
        content = _read_bounded(archive, member, allowed)
        allowed -= len(content)
        unpacked[str(path)] = content
    return unpacked


def _check_path(member: zipfile.ZipInfo) -> PurePosixPath:
    # `filename` is already cut at a NUL character; the name as it was sent is not.
    name = member.orig_filename.replace("\\", "/")
    if name.startswith("/") or _DRIVE.match(name) or ".." in name.split("/"):
        raise UploadRefusedError(
            f"the zip file holds a path that leads out of it, {quote(name)}: "
            "pack the files again, with plain names"
        )
    if "\0" in name:
        raise UploadRefusedError(f"the zip file holds an unusable name, {quote(name)}")
    return PurePosixPath(name)


def _is_litter(path: PurePosixPath) -> bool:
    return path.name.startswith("._") or any(part in _LITTER for part in path.parts)


def _check_kind(member: zipfile.ZipInfo, path: PurePosixPath) -> None:
    name = quote(str(path))
    if stat.S_ISLNK(member.external_attr >> 16):
        raise UploadRefusedError(
            f"the zip file holds a link, {name}: pack the file itself"
        )
    if member.flag_bits & _ENCRYPTED:
        raise UploadRefusedError(
            f"the zip file is protected by a password ({name}): send it without one"
        )
    if path.suffix.lower() in _ARCHIVES:
        raise UploadRefusedError(
            f"the zip file holds another archive, {name}: "
            "unpack it and send one zip file with the layers in it"
        )


def _read_bounded(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, allowed: int
) -> bytes:
    content = BytesIO()
    with archive.open(member) as stream:
        while chunk := stream.read(_CHUNK):
            if content.tell() + len(chunk) > allowed:
                raise UploadRefusedError(
                    "the zip file unpacks to far more than it should: "
                    "send only the layers that are needed"
                )
            content.write(chunk)
    return content.getvalue()

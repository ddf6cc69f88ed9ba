"""Files that only their owner may read, replaced in one step."""

import os
from pathlib import Path


def write_private(path: Path, content: bytes) -> None:
    """Make bytes the content of a file; a crash leaves the old content or the new.

    Args:
        path: in a folder that is there. Who writes it from several processes with other
            content each keeps them apart.
        content: all of it.

    Raises:
        OSError: the folder may not be written, or the disk is full.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    draft.replace(path)

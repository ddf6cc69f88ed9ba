from pathlib import Path
from typing import Any

def read(
    path: Path,
    /,
    layer: str | int,
    *,
    datetime_as_string: bool = ...,
    **kwargs: str,
) -> tuple[dict[str, Any], Any, Any, Any]: ...
def write(
    path: Path, geometry: Any, field_data: Any, fields: Any, **kwargs: Any
) -> None: ...

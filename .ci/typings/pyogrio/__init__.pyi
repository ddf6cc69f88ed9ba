# Only what we call: pyogrio has no types.
from collections.abc import Mapping
from pathlib import Path
from typing import Any

def read_info(path: Path, /, layer: str | int, **kwargs: str) -> dict[str, Any]: ...
def set_gdal_config_options(options: Mapping[str, str | None]) -> None: ...

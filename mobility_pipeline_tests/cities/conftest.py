from pathlib import Path

import pytest

from mobility_pipeline.sandbox.launch import Sandbox
from mobility_pipeline_tests.cities.map_world import MapWorld, make_map_world


@pytest.fixture
def maps(sandbox: Sandbox, tmp_path: Path) -> MapWorld:
    """An OpenStreetMap nobody has asked yet."""
    return make_map_world(sandbox, tmp_path)

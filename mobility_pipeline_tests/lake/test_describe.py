import pyarrow as pa

from mobility_pipeline.lake.describe import count_devices
from mobility_pipeline_tests.lake.tables import SCHEMA


def test_a_device_is_the_first_id_a_ping_has() -> None:
    """A device is its ad_id, else its caid; pings without either are nobody's."""
    ids = [("a", None), ("a", "h"), (None, "h"), (None, None), ("h", "x")]
    rows = [{"ad_id": ad_id, "caid": caid} for ad_id, caid in ids]
    assert count_devices(pa.Table.from_pylist(rows, schema=SCHEMA)) == 2

"""Network events: one row per event of a phone at a cell, as one city's UTC day keeps it.

Source: a mobile network, as lines `imsi|cell_id|lat|lon|epoch_ms`; ingested by hand, each
once, however often it comes. They are kept as derived tables are.
"""

import pyarrow as pa

from mobility_pipeline.schemas.derived import DerivedTable

EVENTS = DerivedTable(
    "events",
    pa.schema(
        [
            # The imsi, as it came but for blanks around it.
            pa.field("device_id", pa.string(), nullable=False),
            pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False),
            # Empty: not told.
            pa.field("cell_id", pa.string(), nullable=False),
            # EPSG:4326 degrees; of the cell where the line had none.
            pa.field("lat", pa.float64(), nullable=False),
            pa.field("lon", pa.float64(), nullable=False),
        ]
    ),
    ("device_id", "at", "cell_id", "lat", "lon"),
    "Events of a mobile network that were ingested, each once.",
    reach=(0, 0),
)

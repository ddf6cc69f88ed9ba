"""The outside world on one machine: S3 + STS, a simulated vendor, an OpenStreetMap.

Belongs here: three real HTTP servers on loopback that behave as the real ones do,
quirks and switchable faults included. Demo and tests drive them with the production
clients.
Does not: anything shared with `vendor/`, `landing/` or `lake/`; this is the other side
of the wire, and a misunderstanding must not hide on both.

Where do I go to…?

* start it: `launch.py`, or `python -m mobility_pipeline.sandbox`
* switch a fault on: `vendor_faults.py` (vendor), `s3_faults.py` (S3 and STS),
  `osm.py` (Overpass and Nominatim)
* change what people do: `people.py`, `pings.py`; what a delivered file looks like:
  `rows.py` (quirks of rows), `files.py` (quirks of files), `delivery.py` (layout)
"""

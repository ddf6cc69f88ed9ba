"""Room 6, derive: presence, flows, trips and exposure; table in, table out.

Belongs here: pure functions over city-days; and the two that bring tables through them to
the lake's derived tables they are given, `derivation.py` and `ingestion.py`. Does not: how
tables are stored (`lake/`), serving results (`serving/`).
"""

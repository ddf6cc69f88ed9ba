"""Room 6, derive: presence, flows, trips and exposure; table in, table out.

Belongs here: pure functions over city-days. Does not: reading or writing the lake
(`lake/`), serving results (`serving/`).
"""

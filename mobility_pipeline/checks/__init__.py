"""Room 5, judge: predicates over a city-day or a table that return a Finding.

Belongs here: pure functions that say whether data is complete, fresh and plausible.
Does not: Dagster asset checks, which call these (`defs/`).
"""

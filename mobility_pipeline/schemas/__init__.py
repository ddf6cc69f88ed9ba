"""Room 1, agree: one module per table, with its columns, types, units, keys and nulls.

Belongs here: the feeds we can subscribe to and the schema each city-day of them has.
Does not: code that reads, casts or writes tables (`landing/`, `lake/`).
"""

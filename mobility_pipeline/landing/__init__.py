"""Room 3, receive: read a vendor delivery, attribute its rows to cities, split it.

Belongs here: listing and reading delivered files, resolving `poi_ids`, unifying types,
splitting one date into one sorted table per city, conservation of rows.
Does not: writing anything (`lake/`), asking for anything (`vendor/`).
"""

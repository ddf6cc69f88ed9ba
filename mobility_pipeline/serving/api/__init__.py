"""The HTTP API: read-only answers from the derived tables, by key, with privacy kept.

Belongs here: routes, what they accept and answer, keys, limits, caches. Does not: counting
(`analytics/`), hiding small counts (`analytics/suppression.py`), reading S3 (`lake/`).

A question goes through `gate.py` (key, limit), a route (`classic.py`: the predecessor's;
`tables.py`: ours), `answers.py` (what is so), `hiding.py` (what may be said) and
`formats.py` (how it is written). What goes wrong becomes a status in `errors.py` alone.
"""

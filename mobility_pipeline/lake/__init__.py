"""Room 4, keep: city-days at rest, each with a manifest, published atomically.

Belongs here: paths, manifests, the publish protocol, reading back, coverage.
Does not: what rows mean (`schemas/`), how they were attributed (`landing/`).
"""

"""Files from city administrations: read safely, and turned into boundaries and regions.

The way through: `opening.open_upload` (bytes to layers) -> `layers.choose_layer` ->
`boundary.prepare_boundary` or `regions.read_regions`. Nothing is changed silently: what
was done to a boundary is in its `changes`.

Does not belong here: what makes a boundary fit to buy (`cities/boundaries.py`), where
cities and regions are kept (`cities/registry.py`, `cities/regions.py`), what
administrations are told to send (`cities/guide/`).
"""

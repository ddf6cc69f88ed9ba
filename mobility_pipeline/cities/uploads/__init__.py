"""Files from city administrations: read safely, and turned into boundaries and regions.

The way through: `opening.open_upload` (bytes to layers) -> `layers.choose_layer` ->
`boundary.prepare_boundary` or `regions.read_regions`. Nothing is changed silently: what
was done to a boundary is in its `changes`. An operator's cells are two tables:
`cells.read_cells`.

Does not belong here: what makes a boundary fit to buy (`cities/boundaries.py`), where
cities, regions and cells are kept (`cities/registry.py`, `cities/regions.py`,
`cities/cell_layers.py`), what
administrations are told to send (`cities/guide/`).
"""

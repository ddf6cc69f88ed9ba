"""Room 1, know: the cities we watch, their boundaries and their keys.

Belongs here: `City` and `CityDay`, keys and area ids, validation, the registry over
`cities/` and its versions, import of the old `cities.json`, export, boundaries from
OpenStreetMap and from uploaded files.
Does not: what was asked or received for a city (`vendor/`, `lake/`), tables
(`schemas/`).
"""

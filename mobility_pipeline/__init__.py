"""Keep every city's device-location pings complete, correct and fresh.

Data flows down this list; imports point up it:

    cities/      1 know      which cities we watch, and their boundaries
    schemas/     1 agree     feeds, and the columns, types and units of their tables
    vendor/      2 ask       plan, submit and follow vendor jobs; the ledger of all of them
    landing/     3 receive   read a delivery, attribute its rows to cities, split it
    lake/        4 keep      paths, manifests, atomic publish, coverage
    checks/      5 judge     predicates over a city-day or a table
    alerts/                  what is wrong, and telling people of it
    analytics/   6 derive    presence, flows, trips
    serving/     7 answer    HTTP API and city console
    sandbox/                 the outside world on one machine: S3, the vendor, OpenStreetMap
    resources/               settings -> clients of the rooms above, as Dagster resources
    defs/                    Dagster assets, jobs, schedules and sensors, one module per room

Where do I go to…?

* add or correct a city: `mobility cities add`, or a file under the project's `cities/`
* change what is asked of the vendor, or how jobs are packed: `vendor/planner.py`
* change a column or its type: `schemas/pings.py`
* change how rows find their city: `landing/attribution.py`
* change what a stored city-day looks like: `lake/manifest.py` and `lake/publish.py`
* change what is derived from what: `defs/analytics.py`, `analytics/derivation.py`
* change what the API answers: `serving/api/`
* change a schedule: `defs/`, in the module of its room
* add a setting: `settings.py`, then `.env.example`
"""

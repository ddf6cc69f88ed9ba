"""Room 2, ask: from wanted city-days to finished vendor jobs, never paid twice.

Belongs here: the client for Veraset's API, the planner, the ledger of vendor jobs and
city-days, submission and polling.
Does not: reading what was delivered (`landing/`), where it is kept (`lake/`).
"""

"""Orchestration: Dagster definitions, one module per room, thin.

Belongs here: assets, checks, jobs, schedules, sensors; each calls a room and reports.
Does not: domain logic (rooms 1 to 7), building clients (`resources/`).
"""

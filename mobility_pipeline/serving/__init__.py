"""Room 7, answer: the read-only HTTP API and the city console.

Belongs here: routes, their errors and pages. Does not: computing (`analytics/`).
"""

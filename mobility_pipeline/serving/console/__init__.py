"""The city console: a web page for people who add cities and ask for their data.

Belongs here: signing in, the pages, and the small values between them. What they show and
change is done by the rooms; what needs the orchestrator or settings comes in as a `Desk`
(`desk.py`), made by `mobility console`.
"""

"""Adapters: from settings to the clients of the rooms, as Dagster resources.

Belongs here: reading settings when a run starts and building clients from them.
Does not: any decision about data; that is a room's.
"""

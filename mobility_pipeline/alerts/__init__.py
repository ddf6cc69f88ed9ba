"""Alerts: tell people what is wrong, once when it begins, daily, and when it is over.

Belongs here: what counts as a problem (`missing`, `runs`, `watch`), what is said of it and
when (`episodes`, `message`), the record of it (`store`), and the ways it leaves the house
(`channels`, `mail`, `sns`, `webhook`).
Does not: settings and clocks (`resources/`), the sensor (`defs/alerts.py`).
"""

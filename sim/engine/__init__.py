"""Engines: they know calendars and capacities, not the clinic."""

"""How fast the whole line is, against a floor in the same run. ``tests/run bench``; nothing here is asserted."""

"""Compute a cell again from its record, and say whether it agrees: what a record asks for, and how two are compared."""

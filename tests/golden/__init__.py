"""Frozen tables of known inputs, so that a change of a value is one that was meant."""

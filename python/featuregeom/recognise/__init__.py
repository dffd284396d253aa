"""Cosines in, name out: the relations between features, whether they are a scheme, and the name of the geometry."""

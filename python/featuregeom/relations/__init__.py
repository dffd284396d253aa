"""Relations in, numbers out: what a labelling of pairs is, and what follows from its intersection numbers."""

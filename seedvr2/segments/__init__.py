"""Units of work: shots, the frozen plan, one segment, the join."""

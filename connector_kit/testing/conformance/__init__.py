"""Whether an object keeps the laws: of a connector, of a wrapper, of a destination. Nothing here needs pytest."""

"""The kit's own connectors, each in a package of its own; none is imported before it is asked for."""

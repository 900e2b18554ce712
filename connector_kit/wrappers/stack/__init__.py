"""Stacks of wrappers: their order, `protect`, and looking into one."""

"""Wrappers: each holds an inner connector and is a connector again. One module, one class, read on its own.

There is no shared base class: every method is written out, so that a type checker and a reader see what happens.
"""

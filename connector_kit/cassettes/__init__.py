"""Cassettes: what a connector answered, as a file of JSON lines that a person can read and a repository can keep.

The format and the values alone; `Recording` writes cassettes and `Replaying` plays them, in `connector_kit.wrappers`.
"""

"""Cassettes: what a connector answered, as a file of JSON lines that a person can read and a repository can keep.

`Recording` writes them, `Replaying` answers from them.
"""

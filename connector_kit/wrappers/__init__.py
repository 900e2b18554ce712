"""Wrappers: a folder for each, with its policy, its state and the wrapper. All are connectors again."""

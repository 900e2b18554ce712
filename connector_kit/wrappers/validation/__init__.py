"""Checks of records against the catalog: the policy, the wrapper, the quarantine file."""

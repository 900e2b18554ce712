"""The wrapper that tells an observer of calls and pages."""

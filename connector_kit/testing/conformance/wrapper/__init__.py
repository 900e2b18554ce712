"""The laws of a wrapper, and what they look at it with; the table of laws is in `subject`."""

"""The laws of a destination, and what they look at it with; the table of laws is in `subject`."""

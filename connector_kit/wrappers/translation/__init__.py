"""The translation of a client's exceptions."""

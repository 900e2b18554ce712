"""Observers: where events go. One module for each place; what it needs besides the kit is imported when it is used."""

"""The laws a connector keeps, a module for each."""

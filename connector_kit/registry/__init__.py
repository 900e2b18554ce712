"""Finds things by name: entry points, `module:factory`, files, and what makes a connector of them."""

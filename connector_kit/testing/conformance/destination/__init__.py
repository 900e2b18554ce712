"""The laws of a destination, one module each; `check_destination` runs them all."""

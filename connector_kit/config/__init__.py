"""Configuration: strict structuring of any frozen attrs class, with every problem of a file named at once."""

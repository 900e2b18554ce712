"""The cache of answers: its state and the wrapper."""

"""Hedged requests: the policy and the wrapper."""

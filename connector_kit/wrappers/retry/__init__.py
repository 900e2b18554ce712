"""Retries: the policy, the budget, the wrapper."""

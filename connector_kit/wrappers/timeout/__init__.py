"""Time limits: the policy and the wrapper."""

"""The bulkhead: the policy, the slots, the wrapper."""

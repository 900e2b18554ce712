"""The circuit breaker: the policy, the circuit, the wrapper."""

"""The mock connector: data made from a seed, in any amount, with latency, faults and a rate limit on request."""

from .connector import MockConfig, MockConnector

__all__ = ["MockConfig", "MockConnector"]

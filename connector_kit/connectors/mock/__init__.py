"""The mock connector: data made from a seed, in any amount, with latency, faults and a rate limit on request."""

from .config import MockConfig
from .connector import MockConnector

__all__ = ["MockConfig", "MockConnector"]

"""The laws of a wrapper, one module each, and the connector that the kit puts inside."""

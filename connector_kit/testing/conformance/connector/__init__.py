"""The laws of a connector; their table is in `connector_kit.testing.conformance.subject`."""

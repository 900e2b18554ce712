"""The wrapper that takes a permit of a limiter before each request."""

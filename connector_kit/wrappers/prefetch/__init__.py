"""Reading ahead: the wrapper, and the block that ends it."""

"""The values that all parts exchange: records, pages, catalogs, checkpoints, and the types of fields."""

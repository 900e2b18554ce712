"""The values that cross every border: records, pages, catalogs, checkpoints, and the types of fields."""

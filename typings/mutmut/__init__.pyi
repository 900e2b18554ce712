# What `make mutants` uses of mutmut, which is not installed beside the package.

# What the benchmarks use of throttled-py, which is not installed beside the package.

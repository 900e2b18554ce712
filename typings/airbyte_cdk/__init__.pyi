# What the benchmarks use of airbyte-cdk, which is not installed beside the package.

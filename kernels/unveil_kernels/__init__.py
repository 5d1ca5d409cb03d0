"""JIT-compiled kernels: arrays in, arrays out."""

"""Kernels for the CPU, generated as LLVM IR for the model's shape and compiled in memory: no compiler is needed."""

from __future__ import annotations

import pytest
import torch

from aigc.engine.deaths import is_deadly
from aigc.engine.sizing import is_out_of_memory


@pytest.mark.parametrize(
    ("text", "deadly", "memory"),
    [
        ("CUDA error: device-side assert triggered\nCUDA kernel errors might be", True, False),
        ("CUDA error: an illegal memory access was encountered", True, False),
        ("CUDA error: unspecified launch failure", True, False),
        ("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx(...)`", True, False),
        ("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", True, False),
        ("Triton Error [CUDA]: an illegal memory access was encountered", True, False),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", True, True),
        ("CUDA error: out of memory", True, True),
        ("CUDA out of memory. Tried to allocate 2.00 GiB", False, False),
        ("mat1 and mat2 shapes cannot be multiplied (4x64 and 96x64)", False, False),
        ("Expected all tensors to be on the same device, but found cuda:0 and cpu!", False, False),
    ],
)
def test_what_a_context_dies_of_and_what_is_only_a_lack_of_memory(text: str, deadly: bool, memory: bool) -> None:
    assert is_deadly(RuntimeError(text)) is deadly
    assert is_out_of_memory(RuntimeError(text)) is memory
    assert is_out_of_memory(torch.OutOfMemoryError(text))

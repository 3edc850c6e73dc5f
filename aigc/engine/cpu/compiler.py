"""IR to machine code for this CPU, and its running on torch's own threads."""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import llvmlite.binding as llvm
import torch
from llvmlite import ir

Pointer = ctypes.c_void_p


@cache
def lanes() -> int:
    """Floats in a vector register of this CPU, at least 8."""
    return 16 if llvm.get_host_cpu_features().get("avx512f") else 8


class Kernel:
    """A compiled function of one pointer to its arguments. Every thread runs it and takes its share by a counter."""

    def __init__(self, module: ir.Module, name: str) -> None:
        self._engine = _compile(str(module))
        self._address = self._engine.get_function_address(name)
        self._call = ctypes.CFUNCTYPE(None, Pointer)(self._address)

    def run(self, arguments: ctypes.Structure) -> None:
        """Run on as many threads as torch uses, and wait."""
        threads = torch.get_num_threads()
        if threads == 1:
            self._call(ctypes.byref(arguments))
        elif (parallel := _openmp()) is not None:
            parallel(self._address, ctypes.byref(arguments), threads, 0)
        else:
            list(_pool(threads).map(lambda _: self._call(ctypes.byref(arguments)), range(threads)))


def _compile(text: str) -> llvm.ExecutionEngine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    features = llvm.get_host_cpu_features()
    # LLVM avoids 512-bit registers on CPUs that once slowed down for them; this code is made of them.
    flags = features.flatten() + (",-prefer-256-bit" if lanes() == 16 else "")
    machine = target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=flags, opt=3)
    module = llvm.parse_assembly(text)
    module.verify()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=3))
    builder.getModulePassManager().run(module, builder)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine


@cache
def _openmp() -> ctypes._NamedFuncPointer | None:
    """`GOMP_parallel` of the OpenMP library that torch itself runs on; None where torch uses another.

    A second pool of threads would fight with torch's, which spin between the parts of a step.
    """
    for library in sorted((Path(torch.__file__).parent / "lib").glob("libgomp*")):
        parallel = ctypes.CDLL(str(library)).GOMP_parallel
        parallel.argtypes = [Pointer, Pointer, ctypes.c_uint, ctypes.c_uint]
        parallel.restype = None
        return parallel
    return None


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="aigc-kernel")

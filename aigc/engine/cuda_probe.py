"""Run by its path in a process of its own: writes the GPUs that CUDA shows there, as JSON, in CUDA's order.

Asks the driver's library itself, which takes a fraction of the seconds that torch does and makes no context. In a
process of its own, since a process that has begun CUDA cannot be forked for work on it, and a driver can hang.
"""

from __future__ import annotations

import ctypes
import json
import sys
import uuid

LIBRARY = "libcuda.so.1"
NAME_BYTES = 256


def cards() -> list[dict[str, str]]:
    """`uuid` and `name` of each GPU; none where there is no driver, or it sees none."""
    try:
        driver = ctypes.CDLL(LIBRARY)
    except OSError:
        return []
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return []
    return [_card(driver, ordinal) for ordinal in range(count.value)]


def _card(driver: ctypes.CDLL, ordinal: int) -> dict[str, str]:
    device, name, raw = ctypes.c_int(0), ctypes.create_string_buffer(NAME_BYTES), (ctypes.c_ubyte * 16)()
    _check(driver.cuDeviceGet(ctypes.byref(device), ordinal))
    _check(driver.cuDeviceGetName(name, NAME_BYTES, device))
    # The second version tells a part of a divided GPU (MIG) from the whole; drivers before 11.4 have only the first.
    get_uuid = getattr(driver, "cuDeviceGetUuid_v2", None) or driver.cuDeviceGetUuid
    _check(get_uuid(ctypes.byref(raw), device))
    return {"uuid": f"GPU-{uuid.UUID(bytes=bytes(raw))}", "name": name.value.decode("utf-8", "replace")}


def _check(status: int) -> None:
    if status:
        raise OSError(f"CUDA error {status}")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(cards()))

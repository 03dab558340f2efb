"""`pdejax doctor`: what is installed here, and whether it can be trusted."""

import argparse
import importlib.metadata
import os
import platform

PACKAGES = ("pdejax", "jax", "jaxlib", "equinox", "optax", "orbax-checkpoint")
# Python and the jax that constraints.txt gives it: what tests were run on
TESTED = {"3.11": "0.10.1", "3.12": "0.12.0.1", "3.13": "0.12.0.1"}
# jaxlib 0.10.2 is wrong by 1e-3 or more; a sound compiler differs by the order of its sums
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _memory() -> str:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return "unknown"
    return f"{total / 2**30:.1f} GiB"


def facts() -> dict[str, str]:
    """Versions, devices, settings and the size of the machine."""
    import jax

    from pdejax.cli._runtime import cache_folder

    devices, settings = jax.devices(), jax.config.values
    kinds = sorted({f"{d.platform} ({d.device_kind})" for d in devices})
    return {
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
        "devices": f"{len(devices)} x {', '.join(kinds)}",
        "default backend": jax.default_backend(),
        "64-bit numbers": "on" if settings["jax_enable_x64"] else "off (switched on where data are generated)",
        "matrix products": settings["jax_default_matmul_precision"] or "default precision of the device",
        "compilation cache": str(cache_folder()),
        "memory": _memory(),
        "cores": str(os.cpu_count()),
    }


def tested() -> str:
    """Which interpreters tests were run on, each with which jax, and whether this is one of them."""
    here = ".".join(platform.python_version_tuple()[:2]), _version("jax")
    each = ", ".join(f"Python {python} with jax {jax}" for python, jax in TESTED.items())
    return f"{each}: {'as here' if here in TESTED.items() else 'not what is here'}"


def run(arguments: argparse.Namespace) -> int:
    """Prints the facts and the compiler's self-check; 1 if the compiler computes wrong numbers."""
    from pdejax.cli._runtime import start
    from pdejax.core import compiler_self_check

    start()
    for name, value in facts().items():
        print(f"{name:18} {value}")
    print(f"{'tested':18} {tested()}")
    errors = compiler_self_check()
    for name, error in errors.items():
        print(f"{'self-check':18} {name}: compiled and uncompiled differ by {error:.1e}")
    bad = [name for name, error in errors.items() if not error <= TOLERANCE[name.split()[-1]]]
    version = _version("jaxlib")
    if bad:
        print(f"jaxlib {version} computes WRONG numbers here ({', '.join(bad)}): install jaxlib 0.10.1")
        return 1
    print(f"jaxlib {version} computes right numbers here.")
    return 0

"""Versions of Flink, as far as state depends on them."""

from __future__ import annotations

import re


def minor(version: str) -> tuple[int, ...]:
    """Major and minor number; a patch changes nothing about state. Empty where the version is not known."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def too_old(here: str, wrote: str) -> bool:
    """Whether Flink ``here`` is older than the one that wrote some state, and so need not be able to read it.

    Measured: 2.3 restores what 1.20 wrote; 1.20 refuses what 2.3 wrote, "Unrecognized checkpoint version number".
    """
    return bool(minor(here)) and minor(here) < minor(wrote)

"""Decisions as pure functions over frozen values. Nothing here does I/O, reads a clock or draws a random number."""

"""A manifest store in memory: documents as text, as every real store keeps them, on the clock of the world."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import lru_cache

from airflow_provider_flinksql.errors import Conflict
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.stores import Stored


class MemoryStore:
    """``point`` is called before and after each write and may let the worker die; ``written`` sees old and new head."""

    name = "memory"

    def __init__(
        self,
        clock: Callable[[], float],
        point: Callable[[str], None] = lambda _: None,
        written: Callable[[Manifest | None, Manifest], None] = lambda _old, _new: None,
    ) -> None:
        self._clock, self._point, self._written = clock, point, written
        self._heads: dict[str, tuple[int, str]] = {}
        self._closed: dict[str, dict[int, str]] = {}
        self._parsed = lru_cache(lambda text: Manifest.from_json(json.loads(text)))

    def get(self, name: str) -> Stored:
        version, text = self._heads.get(name, (0, ""))
        return Stored(self._parsed(text) if text else None, version, self._clock())

    def heads(self, names: Iterable[str] | None = None) -> dict[str, Stored]:
        return {name: self.get(name) for name in (self._heads if names is None else names) if name in self._heads}

    def put(self, manifest: Manifest, expect: int) -> int:
        self._point("write")
        old = self.get(manifest.name)
        text = json.dumps(manifest.to_json(), sort_keys=True)
        if not self.may_write(old.version, expect):
            if self._heads.get(manifest.name, (0, ""))[1] == text:
                return old.version
            raise Conflict(f"The manifest of {manifest.name} was written by someone else; look again.")
        self._heads[manifest.name] = (old.version + 1, text)
        closed = self._closed.setdefault(manifest.name, {})
        closed |= {attempt.number: json.dumps(attempt.to_json()) for attempt in manifest.closed}
        self._written(old.manifest, manifest)
        self._point("written")
        return old.version + 1

    @staticmethod
    def may_write(version: int, expect: int) -> bool:
        return version == expect

    def history(self, name: str, newest: int | None = None, before: int | None = None) -> list[Attempt]:
        closed = self._closed.get(name, {})
        numbers = sorted(number for number in closed if before is None or number < before)
        numbers = numbers if newest is None else numbers[len(numbers) - min(newest, len(numbers)):]
        return [Attempt.from_json(json.loads(closed[number])) for number in numbers]

    def delete(self, name: str) -> None:
        self._heads.pop(name, None)
        self._closed.pop(name, None)

    def close(self) -> None:
        """Nothing is open."""

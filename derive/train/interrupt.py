"""Ctrl-C at a moment that suits: what must not be torn apart is finished first."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Interruptible:
    """While it is entered, Ctrl-C raises `KeyboardInterrupt`: at once, or at the end of `whole()`."""

    def __init__(self) -> None:
        self.held = False
        self.pending = False

    def __enter__(self) -> Interruptible:
        self.before = None
        if threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGINT)
            if before is signal.default_int_handler:  # whoever ignores Ctrl-C goes on to
                self.before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self.held:
            raise KeyboardInterrupt
        self.pending = True

    @contextlib.contextmanager
    def whole(self) -> Iterator[None]:
        """What is done inside is done to its end."""
        self.held = True
        try:
            yield
        finally:
            self.held = False
        if self.pending:
            raise KeyboardInterrupt

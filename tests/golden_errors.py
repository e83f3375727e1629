"""Golden error messages of the data side: one text a case; DERIVE_UPDATE=1 rewrites them."""

import os
from pathlib import Path

from derive.errors import DeriveError

FOLDER = Path(__file__).parent / "errors" / "data"


def check_error(case: str, error: DeriveError) -> None:
    """Compare what the user reads with ``errors/data/CASE.txt``."""
    golden = FOLDER / f"{case}.txt"
    said = f"{error}\n"
    if os.environ.get("DERIVE_UPDATE"):
        golden.write_text(said, encoding="utf-8")
    assert golden.is_file(), f"no golden text {golden}: run pytest with DERIVE_UPDATE=1"
    assert said == golden.read_text(encoding="utf-8")

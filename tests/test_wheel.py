"""The wheel holds all that the package needs: models, templates, data, KaTeX; and works away from the source."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_installed_wheel_works_by_itself(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("derive_gradients-*.whl")
    target = tmp_path / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(wheel)], check=True, capture_output=True)
    environment = os.environ | {"PYTHONPATH": str(target)}

    def run(*command: str) -> str:
        where = "import derive; print(derive.__file__)"
        assert str(target) in subprocess.run(
            [sys.executable, "-c", where], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
        ).stdout
        done = subprocess.run(
            [sys.executable, "-m", "derive", *command], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
        )
        return done.stdout

    assert "logistic" in run("models")
    run("report", "logistic", "-o", "logistic.html")
    assert "katex" in (tmp_path / "logistic.html").read_text()
    assert "accuracy" in run("run", "logistic", "--epochs", "5")

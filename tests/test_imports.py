"""Imports go one way along the road, and the way in stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import derive

PACKAGE = Path(derive.__file__).parent

# The road, from what knows nothing of the others to what knows all.  A module imports from its own level or from lower ones.
ROAD = (
    ("errors", "resources", "cache"),
    ("expression",),
    ("functions",),
    ("parse", "model"),
    ("algebra", "derivation", "optimizer", "update_rule"),
    ("rules", "arrays", "prove", "sympy_models"),
    ("differentiate",),
    ("lower",),
    ("render",),
    ("emit",),
    ("check", "train"),
    ("commands", "cli"),
)
LEVEL = {name: level for level, names in enumerate(ROAD) for name in names}


def top_level_imports(tree: ast.Module) -> list[str]:
    """The modules of derive that are imported when the file is; those for type checkers and inside functions are not."""
    found: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("derive."):
            found.append(node.module)
    return found


def test_imports_go_one_way() -> None:
    wrong: list[str] = []
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        if parts[0] not in LEVEL:
            assert parts[0] in ("__init__", "__main__"), f"{file} has no place on the road"
            continue
        for module in top_level_imports(ast.parse(file.read_text(encoding="utf-8"))):
            target = module.split(".")[1]
            if LEVEL[target] > LEVEL[parts[0]]:
                wrong.append(f"{'.'.join(parts)} imports {module}")
    assert wrong == []


def test_help_imports_neither_sympy_nor_numpy() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from derive.cli import main; "
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0; "
        "print([m for m in ('sympy', 'numpy', 'jinja2', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

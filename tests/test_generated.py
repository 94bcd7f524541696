"""web/runtime/generated.ts says what the Python sources say today."""

import runpy
from pathlib import Path

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "scripts/generate_ts.py"))


def test_what_the_page_knows_of_python_is_current():
    written = SCRIPT["FILE"].read_text(encoding="utf-8")
    assert written == SCRIPT["typescript"](), "run scripts/generate_ts.py again"

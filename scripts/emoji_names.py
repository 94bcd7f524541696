"""Writes src/bozzetto/runtime/emoji.tsv: what each emoji is called by Unicode CLDR, for prompts that hold emoji.

    npm ci && python scripts/emoji_names.py

Names are written as the models have learned them (`plain_name`).
"""

import json
from pathlib import Path

from bozzetto.files import write_atomically
from bozzetto.runtime.reading import NAMES
from bozzetto.world.captions import plain_name

PACKAGES = Path(__file__).parents[1] / "node_modules"
CLDR = (
    ("cldr-annotations-full/annotations/en/annotations.json", "annotations"),
    ("cldr-annotations-derived-full/annotationsDerived/en/annotations.json", "annotationsDerived"),
)


def emoji_names() -> dict[str, str]:
    """The name of every emoji without skin tone, in Unicode's order."""
    cldr: dict[str, dict[str, list[str]]] = {}
    for path, key in CLDR:
        cldr |= json.loads((PACKAGES / path).read_text(encoding="utf-8"))[key]["annotations"]
    emoji = json.loads((PACKAGES / "unicode-emoji-json/data-by-emoji.json").read_text(encoding="utf-8"))
    bare = [one.replace("\ufe0f", "") for one in emoji]
    return {one: plain_name(cldr[one]["tts"][0]) for one in bare}


if __name__ == "__main__":
    names = emoji_names()
    write_atomically(NAMES, "".join(f"{emoji}\t{name}\n" for emoji, name in names.items()))
    print(f"{NAMES}: {len(names)} emoji")

"""Draw the README's picture: sixteen prompts of one thing and eight in layers, the shipped weights, one seed.

python scripts/first_pictures.py
"""

from pathlib import Path

from PIL import Image, ImageDraw

import bozzetto
from bozzetto.pictures import over_white
from bozzetto.runtime.text_to_image import BEST_STYLE

PROMPTS = (
    "a red apple", "a happy robot", "a cat face", "a rocket", "a pizza", "a dog face", "a tree", "a guitar",
    "a fish", "a ghost", "a sunflower", "a blue car", "an octopus", "a hamburger", "a house", "a crown",
)  # fmt: skip
IN_LAYERS = (
    "two red apples", "a butterfly above a flower", "a robot and a rocket", "a ghost and a pumpkin on black",
    "three balloons", "a crown above a frog", "a sun above a house", "five strawberries on green",
)  # fmt: skip
SIDE, GAP = 128, 8


def main() -> None:
    cell, line = SIDE + GAP, 18
    paper = Image.new("RGB", (8 * cell + GAP, 3 * (cell + line) + GAP), "white")
    pen = ImageDraw.Draw(paper)
    for index, prompt in enumerate((*PROMPTS, *IN_LAYERS)):
        row, column = divmod(index, 8)
        left, top = GAP + column * cell, GAP + row * (cell + line)
        layers = prompt in IN_LAYERS
        [picture] = bozzetto.generate(prompt, seed=7, style=BEST_STYLE, size=SIDE, layers=layers)
        paper.paste(over_white(picture), (left, top))
        pen.text((left + SIDE // 2, top + SIDE + 2), prompt, fill="#555555", anchor="ma")
    paper.save(Path(__file__).parents[1] / "docs/first_pictures.png", optimize=True)


if __name__ == "__main__":
    main()

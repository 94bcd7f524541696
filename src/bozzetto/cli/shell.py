"""How the shell speaks: streams that never break off, the one line of an error, flags, examples."""

import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from bozzetto.progress import speaks

# Options that are called otherwise than the arguments of the front door that they stand for.
OPTION_OF = {
    "num_inference_steps": "steps",
    "num_frames": "frames",
    "guidance_scale": "guidance",
    "clip_guidance_scale": "clip_guidance",
    "negative_prompt": "negative",
    "prompt": "towards",  # where it is no argument by place, as in `sample`
    "index": "place",
    "out": "export",
}


def flags(command: Any, group: Any = None) -> Callable[[str], str]:
    """What a verb calls an argument of the front door: by the flag of its option; without one it keeps its name. group:
    the verbs beside it, whose options may be the way out."""
    names = {}
    for verb in (*getattr(group, "commands", {}).values(), command):
        for option in verb.params:
            flag = max(option.opts, key=len)
            if flag.startswith("-") or verb is command:
                names[option.name] = flag
    return lambda field: names.get(field) or names.get(OPTION_OF.get(field, "")) or field


def examples(*lines: str) -> str:
    """The end of a help text."""
    return "\b\nExamples:\n" + "\n".join(f"  bozzetto {line}" for line in lines)


def printable(text: str) -> str:
    """On one line and without control codes, whatever a file is called."""
    return "".join(char if char.isprintable() else "?" for char in text)


def fail(message: str, code: int) -> int:
    """Say what is wrong in one line, and return the code."""
    with suppress(OSError):  # nobody listens
        print("bozzetto:", " ".join(message.split()), file=sys.stderr)
    return code


def note(line: str) -> None:
    """Say something that is no result."""
    if speaks():
        print("bozzetto:", printable(line), file=sys.stderr)


def open_streams() -> None:
    """Streams that take every text. What their encoding does not have is escaped; one that was closed by who started
    us leads nowhere, and its number is taken, so that no file of ours gets it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  (for as long as we run)
        elif mode == "w" and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def close_streams() -> None:
    """Write out what was said. Where nobody takes it, it goes nowhere, so that the interpreter has nothing to add."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

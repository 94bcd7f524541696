"""Nobody is called and nothing is left behind: what a person's machine sees while the models run.

The verbs run where every name that is looked up reaches a resolver of ours, which writes it down: a network namespace
of its own, without a way out, whose /etc/resolv.conf names the loopback address.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

NAMESPACE = ["unshare", "--user", "--map-root-user", "--net", "--mount"]

RESOLVER = """
import fcntl, pathlib, socket, struct, subprocess, sys, threading

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:  # the loopback device up
    fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 1))
pathlib.Path("resolv.conf").write_text("nameserver 127.0.0.1\\noptions attempts:1 timeout:1\\n")
subprocess.run(["mount", "--bind", "resolv.conf", "/etc/resolv.conf"], check=True)
asked = []
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))


def listen():
    while True:
        query, sender = server.recvfrom(4096)
        name, rest = [], query[12:]
        while rest[0]:
            name.append(rest[1 : 1 + rest[0]].decode())
            rest = rest[1 + rest[0] :]
        asked.append(".".join(name))
        server.sendto(query[:2] + b"\\x81\\x83" + query[4:6] + b"\\0" * 6 + query[12:], sender)  # no such name


threading.Thread(target=listen, daemon=True).start()
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
print(*asked, sep="\\n")
sys.exit(done.stderr if done.returncode else 0)
"""

WORK = """
import time
import bozzetto

picture = bozzetto.generate("a red apple", num_inference_steps=1)[0]
bozzetto.label(picture, ["apple", "dog"])
list(bozzetto.ask(picture, "what is this?"))
bozzetto.sample("gan")
time.sleep(3)  # an uploader begins after a moment
"""


def names_asked(folder: Path, code: str) -> tuple[list[str], str]:
    """What names a Python program looks up, and what it says if it fails; it has a HOME of its own in `folder`."""
    home = folder / "home"
    home.mkdir()
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ORT_", "XDG_"))}
    command = [*NAMESPACE, sys.executable, "-c", RESOLVER, sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, env=kept | {"HOME": str(home)}, capture_output=True, text=True)
    return done.stdout.split(), done.stderr


@pytest.fixture
def namespaces():
    if not shutil.which("unshare") or subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody make a network namespace")


def test_the_resolver_hears_who_asks(namespaces, tmp_path):
    code = "import socket\ntry: socket.gethostbyname('somebody.example')\nexcept OSError: pass"
    names, failure = names_asked(tmp_path, code)
    assert failure == "" and set(names) == {"somebody.example"}


def test_no_verb_asks_for_a_name_or_leaves_anything_at_home(namespaces, tmp_path):
    names, failure = names_asked(tmp_path, WORK)
    assert failure == "" and names == []
    assert list((tmp_path / "home").iterdir()) == []


def test_not_even_a_home_that_cannot_be_written_makes_a_sound(tmp_path):
    Image.new("RGB", (8, 8), "red").save(tmp_path / "red.png")
    command = [sys.executable, "-m", "bozzetto", "label", str(tmp_path / "red.png"), "--labels", "red,blue"]
    done = subprocess.run(command, env=os.environ | {"HOME": "/proc/nowhere"}, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""

"""Servers of other settings: a key, a deadline, an end in order, and those that cannot be."""

import json
import signal

import pytest

from bozzetto.cli import main
from serving import PICTURES, ask, head, raw, served


def test_a_key_a_deadline_and_an_end_in_order():
    key = "correct horse ñ battery"
    with served("--no-course", "--seconds", "1", BOZZETTO_KEY=key) as (address, process):
        bearer = f"Bearer {key}".encode().decode("latin-1")
        for told, status in (("", 401), ("Bearer wrong", 401), (bearer[:-1], 401), ("Bearer ÿÿ", 401), (bearer, 200)):
            assert ask(address, "GET", "/v1/models", Authorization=told).status == status
        assert ask(address, "GET", "/metrics").status == 401 and ask(address, "GET", "/").status == 404
        body = json.dumps({"prompt": "a secret dog", "n": 10, "num_inference_steps": 100}).encode()
        headers = {"Content_Type": "application/json", "Authorization": bearer}
        late = ask(address, "POST", PICTURES, body, **headers)
        assert late.status == 408 and json.load(late)["error"]["code"] == "overdue"
        body = json.dumps({"prompt": "a secret dog", "quality": "low"}).encode()
        connection = raw(address, head(len(body), f"Authorization: {bearer}"))
        process.send_signal(signal.SIGTERM)
        connection.sendall(body)
        assert connection.recv(20).startswith(b"HTTP/1.1 200")
        connection.close()
        process.wait(60)
        process.log.seek(0)
        log = process.log.read()
        assert "secret" not in log and key not in log and "Traceback" not in log
        assert f"POST {PICTURES} 408" in log


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--host", "0.0.0.0"], "can be reached by others, so it needs a key: see --key-file"),
        (["--host", "0.0.0.0", "--key-file", "nothing"], "--key-file nothing is no file"),
        (["--host", "0.0.0.0", "--key-file", "short"], "--key-file holds a key of 3 characters"),
        (["--host", "no.such.host.invalid", "--key-file", "key"], "is no address of this machine"),
        (["--port", "99999"], "--port must be a whole number from 0 to 65535"),
        (["--places", "0"], "--places must be a whole number from 1 to 64"),
        (["--waiting", "0"], "--waiting must be a whole number from 1"),
        (["--seconds", "0"], "--seconds must be a number from 1"),
    ],
)
def test_a_server_that_cannot_be(tmp_path, monkeypatch, capsys, flags, why):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BOZZETTO_KEY", raising=False)
    (tmp_path / "key").write_text("correct horse battery\n")
    (tmp_path / "short").write_text("abc")
    assert main(["serve", "--no-course", *flags]) == 2
    told = capsys.readouterr()
    assert why in told.err and told.err.count("\n") == 1 and told.out == ""

"""The course's server and export: exact paths, safe headers, whole folders."""

import gzip
import http.client
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from bozzetto import cli
from bozzetto.course import build, pages, serve
from bozzetto.errors import InvalidInput, MissingFile

PAGE = b"<!doctype html><title>Home</title>" + b"words " * 100
FILES = {
    "assets/site.css": "text/css; charset=utf-8",
    "assets/js/main.js": "text/javascript; charset=utf-8",
    "assets/ort/ort.wasm": "application/wasm",
    "data/a.json": "application/json",
    "data/a.webp": "image/webp",
    "data/a.avif": "image/avif",
    "assets/fonts/a.woff2": "font/woff2",
    "data/a.bin": "application/octet-stream",
    "data/a.tsv": "text/tab-separated-values; charset=utf-8",
    "models/a/graph.onnx": "application/octet-stream",
    "models/a/model.safetensors": "application/octet-stream",
    "assets/icon.svg": "image/svg+xml",
}


@pytest.fixture
def site(tmp_path):
    on_disk = tmp_path / "file"
    on_disk.write_bytes(b"weights " * 50)
    files = {path: b"content of " + path.encode() * 20 for path in FILES}
    return {"index.html": PAGE, "lessons/1-a/index.html": PAGE, **files, "models/a/model.safetensors": on_disk}


@contextmanager
def running(site, port=0):
    server = serve.CourseServer(site, {"": b"<h1>There is no page here</h1>", "es/": b"<h1>No hay</h1>"}, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def server(site):
    with running(site) as server:
        yield server


def ask(server, path, method="GET", body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def test_a_page_comes_with_the_policy(server):
    for path in ("/", "/index.html", "/lessons/1-a/", "/?seed=7"):
        answer, content = ask(server, path)
        assert (answer.status, content) == (200, PAGE)
        assert answer.getheader("Content-Type") == "text/html; charset=utf-8"
        assert answer.getheader("Cache-Control") == "no-cache"
        assert answer.getheader("Content-Security-Policy").startswith(pages.CSP)
        assert answer.getheader("X-Content-Type-Options") == "nosniff"
        assert answer.getheader("Referrer-Policy") == "no-referrer"
        assert answer.getheader("Cross-Origin-Opener-Policy") == "same-origin"
        assert answer.getheader("Cross-Origin-Embedder-Policy") == "require-corp"


@pytest.mark.parametrize("path", FILES)
def test_every_kind_of_file_has_its_type(server, path):
    answer, _ = ask(server, f"/{path}")
    assert (answer.status, answer.getheader("Content-Type")) == (200, FILES[path])
    assert "must-revalidate" in answer.getheader("Cache-Control")


def test_a_folder_without_its_slash_is_sent_on(server):
    answer, _ = ask(server, "/lessons/1-a")
    assert (answer.status, answer.getheader("Location")) == (301, "/lessons/1-a/")


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/lessons/",
        "/../file",
        "/%2e%2e/file",
        "/assets/../index.html",
        "//etc/passwd",
        "/assets",
        "/index.html/",
    ],
)
def test_only_the_paths_of_the_site_are_there(server, path):
    answer, content = ask(server, path)
    assert (answer.status, content) == (404, b"<h1>There is no page here</h1>")
    assert answer.getheader("Content-Security-Policy")


def test_a_missing_page_is_answered_in_the_language_of_its_folder(server):
    there, here = b"<h1>There is no page here</h1>", b"<h1>No hay</h1>"
    missing = {"/es/nothing": here, "/es/": here, "/es/a/b?c=/d": here, "/es": there, "/est/a": there, "*": there}
    for path, page in missing.items():
        answer, content = ask(server, path)
        assert (answer.status, content) == (404, page), path


def test_an_address_of_a_megabyte_is_refused(server):
    for path in ("/?x=", "/figures/"):
        assert ask(server, path + "x" * 1_000_000)[0].status == 414
    assert ask(server, "/?x=" + "<" * 30_000)[0].status == 200


def test_head_has_the_headers_and_no_body(server):
    answer, content = ask(server, "/", "HEAD")
    assert (answer.status, content, answer.getheader("Content-Length")) == (200, b"", str(len(PAGE)))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_refused(server, method):
    answer, _ = ask(server, "/", method, b"x" * 10)
    assert (answer.status, answer.getheader("Allow")) == (405, "GET, HEAD")
    assert ask(server, "/")[0].status == 200


@pytest.mark.parametrize("path", ["/", "/assets/ort/ort.wasm", "/models/a/model.safetensors"])
def test_compressed_when_the_browser_takes_it(server, path):
    plain, content = ask(server, path)
    packed, body = ask(server, path, Accept_Encoding="br, gzip;q=0.8")
    assert packed.getheader("Content-Encoding") == "gzip" and gzip.decompress(body) == content
    assert plain.getheader("Content-Encoding") is None
    assert plain.getheader("Vary") == packed.getheader("Vary") == "Accept-Encoding"
    assert plain.getheader("ETag") != packed.getheader("ETag")
    assert ask(server, path, Accept_Encoding="gzip;q=0")[1] == content


def test_what_the_build_has_packed_goes_to_whoever_takes_it(tmp_path):
    plain, packed = tmp_path / "ort.wasm", tmp_path / "ort.wasm.br"
    plain.write_bytes(b"plain" * 100)
    packed.write_bytes(b"packed")
    with running({"index.html": PAGE, "assets/ort/ort.wasm": plain}) as server:
        found = [ask(server, "/assets/ort/ort.wasm", Accept_Encoding=e) for e in ("gzip, br", "gzip, br;q=0", "")]
    assert [answer.getheader("Content-Encoding") for answer, _ in found] == ["br", "gzip", None]
    assert found[0][1] == b"packed" and gzip.decompress(found[1][1]) == found[2][1] == plain.read_bytes()
    assert len({answer.getheader("ETag") for answer, _ in found}) == 3


def test_pictures_and_fonts_are_not_compressed_again(server):
    for path in ("/data/a.webp", "/data/a.avif", "/assets/fonts/a.woff2"):
        assert ask(server, path, Accept_Encoding="gzip")[0].getheader("Content-Encoding") is None


def test_what_the_browser_has_is_not_sent_again(server, site):
    for encoding in ("identity", "gzip"):
        tag = ask(server, "/", Accept_Encoding=encoding)[0].getheader("ETag")
        answer, content = ask(server, "/", Accept_Encoding=encoding, If_None_Match=f'"other", W/{tag}')
        assert (answer.status, content, answer.getheader("ETag")) == (304, b"", tag)
    with running({**site, "index.html": PAGE + b"!"}) as changed:
        assert ask(changed, "/", Accept_Encoding=encoding, If_None_Match=tag)[0].status == 200


def test_only_its_own_name_is_answered(server):
    for host in ("127.0.0.1", "localhost", f"localhost:{server.server_port}"):
        assert ask(server, "/", Host=host)[0].status == 200
    for host in ("evil.example", f"evil.example:{server.server_port}", "localhost:1", "localhost.evil.example", ""):
        answer, content = ask(server, "/", Host=host)
        assert (answer.status, content) == (421, b"")


def test_it_listens_on_this_machine_only(server):
    assert server.server_address[0] == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.server_port}/"


def test_one_connection_serves_many_requests(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    for path, status in (("/", 200), ("/nothing", 404), ("/lessons/1-a", 301), ("/", 200)):
        connection.request("GET", path)
        answer = connection.getresponse()
        assert (answer.status, answer.will_close) == (status, False)
        answer.read()
    connection.close()


def test_a_taken_port(site, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(serve, "PORT", port)
        with serve.open_server(site, {}) as server:
            assert server.server_port not in (0, port)
        with pytest.raises(InvalidInput, match=f"port {port} is taken or not allowed") as caught:
            serve.open_server(site, {}, port)
        assert caught.value.field == "port"


def test_ctrl_c_ends_it_cleanly():
    program = (
        "import signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a test run in the background inherits none
        "from bozzetto.course import serve\n"
        "serve.serve(serve.CourseServer({'index.html': b'hello'}, {}, 0), browser=False)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    line = process.stdout.readline()
    port = int(line.split("127.0.0.1:")[1].split("/")[0])
    with socket.create_connection(("127.0.0.1", port), timeout=10):  # even while a browser holds on
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


# ---------------------------------------------------------------- export


def files_of(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_export_writes_every_file_and_says_how_much(site, tmp_path):
    out = tmp_path / "out"
    size = serve.export(site, out)
    assert files_of(out) == {*site, serve.MARK}
    assert size == sum((out / path).stat().st_size for path in site)
    assert (out / "index.html").read_bytes() == PAGE
    assert (out / "models/a/model.safetensors").read_bytes() == site["models/a/model.safetensors"].read_bytes()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_an_earlier_export_is_replaced_whole(site, tmp_path):
    out = tmp_path / "out"
    serve.export({**site, "old.html": b"old"}, out)
    serve.export(site, out)
    assert "old.html" not in files_of(out)


def test_other_files_are_kept_unless_forced(site, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    serve.export(site, out)  # an empty folder is fine
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years")
    with pytest.raises(InvalidInput, match=r"holds other files.*with force$") as caught:
        serve.export(site, mine)
    assert (caught.value.field, caught.value.others) == ("out", ("force",))
    assert files_of(mine) == {"thesis.txt"}
    serve.export(site, mine, force=True)
    assert files_of(mine) == {*site, serve.MARK}


def test_a_failed_export_leaves_the_earlier_one(site, tmp_path):
    out = tmp_path / "out"
    serve.export(site, out)
    before = files_of(tmp_path)
    with pytest.raises(OSError):
        serve.export({"new.html": b"new", "gone": tmp_path / "gone"}, out)
    assert files_of(tmp_path) == before


def test_folders_that_cannot_be_written(site, tmp_path, monkeypatch):
    (tmp_path / "file.txt").write_text("")
    with pytest.raises(InvalidInput, match="is a file"):
        serve.export(site, tmp_path / "file.txt")
    with pytest.raises(MissingFile, match="is not there"):
        serve.export(site, tmp_path / "a/b")
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "inside")
    for folder in (tmp_path, tmp_path / "inside", tmp_path / "inside/../inside"):
        with pytest.raises(InvalidInput, match="holds the folder you are in"):
            serve.export(site, folder, force=True)


# ---------------------------------------------------------------- the command


def test_the_command_exports(site, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(build, "site", lambda lang, weights, scorm: site)
    assert cli.main(["course", "--export", str(tmp_path / "out")]) == 0
    assert f"{len(site)} files" in capsys.readouterr().out
    assert (tmp_path / "out/index.html").is_file()


def test_the_command_exports_one_figure(site, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(build, "one_figure", lambda name, lang, weights, scorm: site)
    out = tmp_path / "out"
    assert cli.main(["course", "--export", str(out), "--figure", "words-steer"]) == 0
    assert "begin at figures/words-steer/index.html" in capsys.readouterr().out
    assert files_of(out) == {*site, serve.MARK}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--figure", "words-steer"], "--figure goes with --export"),
        (["--export", "out", "--figure", "wordssteer"], "did you mean words-steer? choose one of sorter-maker, "),
    ],
)
def test_one_figure_needs_a_name_and_a_folder(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["course", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert files_of(tmp_path) == set()


def test_the_shell_names_its_flags(site, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(build, "site", lambda lang, weights, scorm: site)
    mine = tmp_path / "{mine}"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years")
    lines = {
        mine: f"{mine} holds other files: name another folder, or replace it all with --force",
        mine / "thesis.txt": f"{mine / 'thesis.txt'} is a file: name a folder",
        mine / "a/b": f"{mine / 'a/b'}: the folder {mine / 'a'} is not there, make it first",
    }
    for out, line in lines.items():
        assert cli.main(["course", "--export", str(out)]) == 2
        assert capsys.readouterr().err == f"bozzetto: --export {line}\n"
    assert files_of(mine) == {"thesis.txt"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--port", "70000"], "--port must be"), (["--lang", "xx"], "'xx'"), (["--lang", "../en"], "choose one of")],
)
def test_bad_input_is_one_line(arguments, message, monkeypatch, tmp_path, capsys):
    (tmp_path / "built/assets/js").mkdir(parents=True)
    (tmp_path / "built/assets/js/main.js").write_text("")
    for name in ("static", "templates", "content", "data"):
        (tmp_path / name).symlink_to(build.HERE / name)
    real = build.site
    monkeypatch.setattr(build, "site", lambda lang, weights, scorm: real(lang, tmp_path))
    assert cli.main(["course", "--no-browser", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_unbuilt_scripts_are_one_line(monkeypatch, tmp_path, capsys):
    real = build.site
    monkeypatch.setattr(build, "site", lambda lang, weights, scorm: real(lang, tmp_path))
    assert cli.main(["course", "--no-browser"]) == 2
    assert capsys.readouterr().err == f"bozzetto: {build.NOT_BUILT}\n"

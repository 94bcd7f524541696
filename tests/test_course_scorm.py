"""The course as a package for learning platforms (SCORM 1.2), played in one: scorm-again, which is somebody else's."""

import xml.etree.ElementTree as ET
import zipfile
from functools import cache
from urllib.parse import unquote

import pytest
from playwright.sync_api import expect

from bozzetto import cli
from bozzetto.course import build, serve
from bozzetto.errors import InvalidInput, MissingFile
from browser import FIGURES, ROOT, STRINGS, axe, lesson_path, plain_server

pytest_plugins = ["browser"]

IMS = "{http://www.imsproject.org/xsd/imscp_rootv1p1p2}"
ADL = "{http://www.adlnet.org/xsd/adlcp_rootv1p2}"
NOTES = STRINGS["site"]["platform"]
NAME = FIGURES[7]  # a figure that answers at once
PACKAGES = {
    "course": cache(lambda: build.site(scorm=True)),
    "figure": cache(lambda: build.one_figure(NAME, scorm=True)),
}
FRAME = "<title>Platform</title><script>{script}</script><iframe src='{src}' width='1200' height='700'></iframe>"
# As a platform does: what it kept of this learner goes into a new runtime, and what that commits is kept again.
RUNTIME = """</script><script src="scorm12.min.js"></script><script>
var API = new Scorm12API({ autocommit: false, logLevel: 5 });
API.loadFromJSON(JSON.parse(sessionStorage[location.search] ?? "{}"));
API.on("LMSCommit", () => sessionStorage[location.search] = JSON.stringify(API.cmi));
API.on("LMSFinish", () => document.title = "Finished");"""


@pytest.fixture(scope="session")
def platform(tmp_path_factory):
    """A folder with a learning platform and what is in two packages, the whole course and a figure."""
    folder = tmp_path_factory.mktemp("platform")
    for name, files in PACKAGES.items():
        serve.export(files(), folder / name)
        (folder / f"{name}.html").write_text(FRAME.format(script=RUNTIME, src=f"{name}/scorm/index.html"))
    (folder / "scorm12.min.js").write_bytes((ROOT / "node_modules/scorm-again/dist/scorm12.min.js").read_bytes())
    return folder


# ---------------------------------------------------------------- the package


@pytest.mark.parametrize("name", PACKAGES)
def test_the_manifest_lists_what_is_in_the_package(name):
    """What the schemas of SCORM 1.2 require, and in their order: one organisation, one item, one page to open."""
    files = PACKAGES[name]()
    manifest = ET.fromstring(files["imsmanifest.xml"])
    assert manifest.tag == f"{IMS}manifest" and manifest.get("identifier")
    assert [part.tag for part in manifest] == [f"{IMS}{part}" for part in ("metadata", "organizations", "resources")]
    assert [part.text for part in manifest[0]] == ["ADL SCORM", "1.2"]
    [organization], [resource] = manifest[1], manifest[2]
    assert manifest[1].get("default") == organization.get("identifier")
    title, item = organization
    assert title.tag == f"{IMS}title" and 0 < len(title.text) <= 200 and item[0].text
    assert item.get("identifierref") == resource.get("identifier")
    assert (resource.get("type"), resource.get(f"{ADL}scormtype")) == ("webcontent", "sco")
    assert sorted([unquote(file.get("href")) for file in resource]) == sorted(set(files) - {"imsmanifest.xml"})
    assert resource.get("href") in files


def test_the_same_course_is_the_same_package(tmp_path):
    site = {"index.html": b"<h1>Home</h1>" * 9, "data/a.bin": b"a"}
    size = serve.export_zip(site, tmp_path / "a.zip")
    serve.export_zip(site, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert size == (tmp_path / "a.zip").stat().st_size
    with zipfile.ZipFile(tmp_path / "a.zip") as package:
        assert {name: package.read(name) for name in package.namelist()} == site


def test_a_package_appears_whole_and_replaces_only_a_package(tmp_path):
    out, site = tmp_path / "course.zip", {"index.html": b"1"}
    out.write_bytes(b"years of work")
    with pytest.raises(InvalidInput, match=r"is another file.*with force$"):
        serve.export_zip(site, out)
    assert out.read_bytes() == b"years of work"
    serve.export_zip(site, out, force=True)
    serve.export_zip({"index.html": b"2"}, out)  # an earlier package
    whole = out.read_bytes()
    with pytest.raises(OSError):
        serve.export_zip({"index.html": b"3", "gone": tmp_path / "gone"}, out)
    assert (out.read_bytes(), [path.name for path in tmp_path.iterdir()]) == (whole, ["course.zip"])
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as other:
        other.writestr("thesis.txt", "years")
    with pytest.raises(InvalidInput, match="is another file"):
        serve.export_zip(site, tmp_path / "mine.zip")
    for wrong, error, why in (
        (tmp_path / "course", InvalidInput, "ends in .zip"),
        (tmp_path / "a/b.zip", MissingFile, "is not there"),
    ):
        with pytest.raises(error, match=why):
            serve.export_zip(site, wrong)
    (tmp_path / "folder.zip").mkdir()
    with pytest.raises(InvalidInput, match="is a folder"):
        serve.export_zip(site, tmp_path / "folder.zip")


def test_the_command_writes_a_package(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    site = {"index.html": b"1"}
    monkeypatch.setattr(build, "site", lambda lang, weights, scorm: {**site, "scorm": b"%d" % scorm})
    assert cli.main(["course", "--export", "course.zip", "--scorm"]) == 0
    assert "course.zip: 2 files" in capsys.readouterr().out
    for arguments, message in (
        (["--scorm"], "--scorm goes with --export: name the zip file"),
        (["--scorm", "--export", "course"], "name one that ends in .zip"),
    ):
        assert cli.main(["course", *arguments]) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["course.zip"]


def test_an_ordinary_site_has_none_of_it(course):
    """But the script and sheet that no page asks for; its pages say what is true there."""
    pages = {path: entry.body for path, entry in course.entries.items() if path.endswith(".html")}
    assert "/imsmanifest.xml" not in course.entries and "/scorm/index.html" not in pages
    assert [path for path, body in pages.items() if b"scorm.js" in body or b"scorm.css" in body] == []
    told = NOTES["pages"]["footer"].encode()
    assert told not in pages["/index.html"] and told in build.site(scorm=True)["index.html"]


# ---------------------------------------------------------------- in a learning platform


def told(page, **wanted):
    """Wait until the runtime has this of the learner."""
    return page.wait_for_function(
        """wanted => {
          const { core, objectives, suspend_data } = JSON.parse(JSON.stringify(API.cmi));
          const found = { ...core, first: objectives?.[0]?.status, raw: API.cmi.core.score.raw, suspend_data };
          return Object.entries(wanted).every(([key, value]) => found[key] === value) && found;
        }""",
        arg=wanted,
    ).json_value()


def play(lesson):
    """Read a lesson to its end, use its figure, answer its questions: the first of them wrong."""
    figure = lesson.locator(".figure")
    figure.scroll_into_view_if_needed()
    figure.locator("button:enabled:visible").first.click()
    questions = lesson.locator(".quiz fieldset.question")
    for i in range(questions.count()):
        right = questions.nth(i).locator(".choice[data-right] input")
        (right if i else questions.nth(i).locator(".choice:not([data-right]) input").first).check()
        questions.nth(i).locator(".check").click()


def test_a_platform_learns_what_was_done_and_gives_it_back(platform, visit, course):
    reader = visit(viewport={"width": 1280, "height": 800})
    page, path = reader.page, lesson_path(course, 7)
    with plain_server(platform) as address:
        page.goto(f"{address}course.html?ann")
        told(page, lesson_status="incomplete", raw="", first="not attempted")
        lesson = page.frame_locator("iframe").frame_locator("iframe")
        lesson.locator(f".contents a[href='{path}']").first.click()
        play(lesson)
        found = told(page, lesson_status="incomplete", raw="7", lesson_location=path)  # two of 27
        assert page.evaluate("API.lmsGetValue('cmi.objectives.6.status')") == "completed"
        assert page.evaluate("API.lmsGetValue('cmi.objectives.6.score.raw')") == "67"
        assert found["exit"] == "suspend" and len(found["suspend_data"]) < 1000
        assert page.evaluate("Object.keys(localStorage)") == []
        within = ("landmark-one-main", "page-has-heading-one")  # the page in the frame has them
        assert [line for line in axe(page.frames[1]) if not line.startswith(within)] == []
        page.clock.set_fixed_time(page.evaluate("Date.now()") + 3_600_000)
        page.locator("iframe").evaluate("frame => frame.remove()")
        expect(page).to_have_title("Finished")
        assert page.evaluate("JSON.parse(sessionStorage['?ann']).core.session_time") >= "0001:00:00"

        # The same learner goes on there; another one, on the same computer, begins.
        page.reload()
        expect(lesson.locator(".quiz fieldset.question .shown")).to_have_count(3)
        expect(lesson.locator(".verdict").nth(1)).to_have_text(STRINGS["site"]["script"]["correct"])
        told(page, raw="7", first="not attempted", lesson_location=path)
        page.goto(f"{address}course.html?bob")
        told(page, lesson_status="incomplete", raw="", suspend_data="")
        expect(lesson.locator(".overall")).to_be_hidden()
    assert [trouble for trouble in reader.troubles if "favicon" not in trouble and "404" not in trouble] == []


def test_the_course_is_completed_once_and_for_all(platform, visit):
    reader = visit()
    page = reader.page
    with plain_server(platform) as address:
        page.goto(f"{address}figure.html?ann")
        told(page, lesson_status="incomplete", raw="", first="not attempted")
        figure = page.frame_locator("iframe").frame_locator("iframe").locator(f"bz-{NAME}")
        figure.locator(".figure-stage").wait_for()
        figure.locator("button:enabled:visible").first.click()
        told(page, lesson_status="completed", first="completed", raw="")
        page.evaluate("sessionStorage['?bob'] = JSON.stringify({ core: { lesson_status: 'completed' } })")
        page.goto(f"{address}figure.html?bob")  # of whom the platform lost the rest
        told(page, lesson_status="completed", first="not attempted")
    assert [trouble for trouble in reader.troubles if "favicon" not in trouble and "404" not in trouble] == []


METHODS = ["LMSInitialize", "LMSGetValue", "LMSSetValue", "LMSCommit", "LMSFinish", "LMSGetLastError"]
HOSTILE = {
    "none": ("", "alone"),
    "no object": ("API = 7;", "alone"),
    "a getter that throws": ("Object.defineProperty(window, 'API', { get() { throw 'no'; } });", "alone"),
    "throws": (f"API = {{}}; for (const m of {METHODS}) API[m] = () => {{ throw new Error(m); }};", "unheard"),
    "refuses": (f"API = {{}}; for (const m of {METHODS}) API[m] = () => 'false';", "unheard"),
    "one method": ("API = { LMSInitialize: () => true };", "unheard"),
    "nonsense": (f"API = {{}}; for (const m of {METHODS}) API[m] = () => ({{ toString: 5 }});", "unheard"),
    "lies": (
        f"API = {{}}; for (const m of {METHODS}) API[m] = () => true;"
        "API.LMSGetValue = element => element.endsWith('location') ? '../../../x.html' : '<script>';",
        None,
    ),
    "closes early": (
        f"API = {{}}; for (const m of {METHODS}) API[m] = () => String(!window.over);",
        None,
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_a_platform_does_wrong_is_one_note(platform, visit, kind):
    script, note = HOSTILE[kind]
    later = "unheard" if kind == "closes early" else note
    (platform / "hostile.html").write_text(FRAME.format(script=script, src="figure/scorm/index.html"))
    reader = visit()
    page = reader.page
    with plain_server(platform) as address:
        page.goto(f"{address}hostile.html")
        around = page.frame_locator("iframe")
        figure = around.frame_locator("iframe").locator(f"bz-{NAME}")
        figure.locator(".figure-stage").wait_for()
        shown = around.locator("[role=status] p:visible")
        expect(shown).to_have_text([NOTES[note]] if note else [])
        page.evaluate("window.over = true")
        figure.locator("button:enabled:visible").first.click()  # the figure works all the same
        expect(shown).to_have_text([NOTES[later]] if later else [])
        page.locator("iframe").evaluate("frame => frame.remove()")
    assert [trouble for trouble in reader.troubles if "favicon" not in trouble and "404" not in trouble] == []


def test_a_platform_beyond_a_page_of_another_site_is_not_looked_at(platform, visit, tmp_path):
    reader = visit()
    with plain_server(platform) as address, plain_server(tmp_path) as other:
        (tmp_path / "index.html").write_text(FRAME.format(script="API = {};", src=f"{address}figure/scorm/index.html"))
        reader.page.goto(other)
        around = reader.page.frame_locator("iframe")
        expect(around.locator("[role=status] p:visible")).to_have_text([NOTES["alone"]])
        around.frame_locator("iframe").locator(f"bz-{NAME} .figure-stage").wait_for()
    assert [trouble for trouble in reader.troubles if "favicon" not in trouble and "404" not in trouble] == []

"""A figure alone: in a frame of somebody else's page, without what a teacher hides, and with an address by anybody."""

import html
import re
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from actions import button, expect_address, field
from bozzetto.course import build, serve
from browser import FIGURES, STRINGS, alternative, axe, lesson_path, plain_server, t, too_wide

pytest_plugins = ["browser"]

HOSTILE = {
    "prompt": "<script>alert(1)</script>\"><img src=x onerror=alert(1)>' onload='alert(1)",
    "seed": "1e400",
    "guidance_scale": "NaN",
    "num_inference_steps": "-1",
    "sampler": "__proto__",
    "prompt_b": "x" * 5000,
}


def code_of(figure):
    """The embed code, as a person gets it."""
    button(figure, "shell.embed").click()
    expect(figure.locator(".share [role=status]")).to_contain_text(t("shell.embed-local"))
    return figure.get_by_label(t("shell.embed-code")).input_value()


@pytest.mark.parametrize("number", [1, 8])
def test_the_code_shows_the_figure_in_another_page(reader, visit, tmp_path, number):
    """Exported alone to any web server, in a frame of another site as narrow as a phone: it fits, it has the state that
    it was shared with, and it works."""
    name = FIGURES[number]
    state = {"seed": 11} if number == 1 else {"seed": 11, "num_inference_steps": 1}
    reader.page.set_viewport_size({"width": 360, "height": 800})
    reader.figure(number, **state)
    code = code_of(reader.begun())
    assert re.fullmatch(r'<iframe src="[^"<>]+" title="[^"<>]+"( [a-z]+="[^"<>]*")+></iframe>', code)
    assert html.unescape(re.search(r'title="([^"]+)"', code)[1]) == t(f"{name}.title")
    serve.export(build.one_figure(name), tmp_path / "figure")
    (tmp_path / "blog").mkdir()
    with plain_server(tmp_path / "figure") as figures, plain_server(tmp_path / "blog") as blog:
        page = f"<!doctype html><title>Blog</title><body style='margin: 0'>{code.replace(reader.course.url, figures)}"
        (tmp_path / "blog/index.html").write_text(page)
        other = visit(viewport={"width": 360, "height": 800})
        other.page.goto(blog)
        frame = other.page.frame_locator("iframe")
        figure = frame.locator(f"bz-{name}")
        expect(field(figure, "shell.seed")).to_have_value("11")
        expect(alternative(figure)).not_to_contain_text(t("shell.no-run"))
        expect(figure.locator(".progress")).to_have_count(0)
        expect(figure.locator("canvas").first).to_be_visible()
        wide, needed, given = frame.locator(":root").evaluate(
            "root => [root.scrollWidth, document.body.scrollHeight, innerHeight]"
        )
        assert wide <= 360
        assert 0.75 * given < needed <= given
        expect(frame.locator("a[target=_blank]")).to_have_count(0)  # the lesson is not there
        expect(frame.locator(".for-teachers")).to_be_hidden()
        assert {address.split("/")[2] for address in other.asked() if "://" in address} == {
            address.split("/")[2] for address in (figures, blog)
        }
        assert [line for line in other.troubles if "favicon" not in line and "404" not in line] == []


def test_a_teacher_ticks_what_a_class_does_not_see(reader):
    page = reader.open("figures/step-the-game/index.html")
    box = page.locator(".for-teachers")
    box.locator("summary").click()
    for name in ("shell.seed", "shell.share", "shell.in-words"):
        box.get_by_label(t(name), exact=True).check()
    expect(box.locator("code")).to_have_text("&hide=seed,in-words,share")
    assert axe(page) == [] == too_wide(page)
    box.get_by_role("button", name=t("shell.hide-copy")).click()
    address = box.get_by_label(t("shell.hide-link")).input_value()
    reader.leave()
    page.goto(address)
    figure = page.locator("bz-step-the-game")
    expect(button(figure, "shell.play")).to_be_visible()
    expect(field(figure, "shell.seed")).to_have_count(0)
    expect(button(figure, "shell.share")).to_have_count(0)
    expect(figure.locator("summary", has_text=t("shell.in-words"))).to_have_count(0)
    expect(box).to_have_count(0)


def test_nonsense_in_the_address_does_nothing(reader):
    """Neither on the page of the figure, nor in the code that shows it as it is."""
    name = FIGURES[8]
    fragment = "&".join(f"{name}.{key}={quote(value)}" for key, value in HOSTILE.items())
    page = reader.open(f"figures/{name}/index.html#{fragment}&hide=seed,<b>,__proto__,{'y' * 9000}&x=<script>")
    figure = page.locator(f"bz-{name}")
    expect(figure.locator("p.note[role=status]").first).to_contain_text(t("words-steer.prompt_b"))
    expect(field(figure, "words-steer.prompt")).to_have_value(HOSTILE["prompt"])
    expect(field(figure, "shell.seed")).to_have_count(0)
    code = code_of(figure)
    assert len(code) < 1500 and re.fullmatch(r"<iframe( [a-z]+=\"[^\"<>]*\")+></iframe>", code)
    assert page.locator("main script, main img[onerror], main [onload]").count() == 0
    expect_address(figure, seed="7", sampler="dpmpp_2m")


STRANGE = [
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "9" * 400,
    "NaN",
    "-1e400",
    "__proto__",
    "%00%ff%",
    "x" * 1_000_000,
]
SAID = STRINGS["shell"]["refused"].partition("{")[0].strip()
READ = """(figure, text) => new Promise(resolve => {
  const tell = async () => { await figure.updateComplete; resolve(); };
  addEventListener("hashchange", tell, { once: true });
  history.replaceState(null, "", "#");
  location.hash = text;
})"""


@pytest.mark.parametrize("name", FIGURES.values())
def test_a_figure_alone_takes_any_address(reader, name):
    """Whatever its fields are set to, and whatever else is in it: one note says what is refused, and it works."""
    page = reader.open(
        f"figures/{name}/index.html?<script>alert(1)</script>&seed=NaN&__proto__=1&present=9&x={'y' * 30_000}"
    )
    figure = page.locator(f"bz-{name}")
    figure.locator(".figure-stage").wait_for()
    fields = figure.evaluate("figure => Object.keys(figure.link.fields())")
    assert "seed" in fields or len(fields) > 1
    refused = 0
    for strange in STRANGE:
        values = "&".join(f"{name}.{field}={strange if field == fields[-1] else strange[:999]}" for field in fields)
        figure.evaluate(READ, f"{values}&{name}.unknown={strange}&hide={strange[:99]},constructor&{strange[:99]}")
        notes = figure.locator("p.note[role=status]", has_text=SAID)
        refused += notes.count()
        assert notes.count() <= 1 and page.get_by_role("alert").count() == 0, strange[:99]
        assert page.locator("main script, main img[onerror], main [onload]").count() == 0
        assert figure.locator(".figure-stage").is_visible()
    assert refused >= len(STRANGE) - 1  # a field may take some of it as text


def test_every_figure_has_a_page_that_fits_a_phone(reader):
    """Without scrolling sideways, and with one heading for the page."""
    reader.page.set_viewport_size({"width": 360, "height": 640})
    for name in FIGURES.values():
        page = reader.open(f"figures/{name}/index.html")
        page.locator(f"bz-{name} .figure-stage").wait_for()
        assert too_wide(page) == []
        assert page.locator("header, footer, nav").count() == 0
        assert page.locator(".from a").count() == 1
        # One button leads at most, and what is not needed at first waits behind one word.
        assert page.locator(f"bz-{name} .button.primary:visible").count() <= 1
        folded = page.locator(f"bz-{name} details.more").evaluate_all("all => all.map(one => one.open)")
        assert folded and not any(folded)


def test_more_tells_what_a_link_has_set_and_opens_from_the_keyboard(reader):
    state = "spot-the-noise.seed=12&spot-the-noise.truth=1"
    page = reader.open(f"figures/spot-the-noise/index.html#{state}&hide=label,step")
    figure = page.locator("bz-spot-the-noise")
    more = figure.locator(".more > summary")
    told = f"{t('shell.more')} {t('spot-the-noise.truth')}, {t('shell.seed')}: 12"
    expect(more).to_have_text(told)
    seed = figure.get_by_label(t("shell.seed"), exact=True)
    expect(seed).to_be_hidden()
    more.press("Enter")
    expect(seed).to_be_visible()
    expect(field(figure, "spot-the-noise.label").or_(button(figure, "shell.step"))).to_have_count(0)
    button(figure, "shell.reset").press("Enter")
    expect(more).to_have_text(t("shell.more"))
    expect(seed).to_have_value("11")


def test_the_links_for_teachers_set_what_they_say(reader):
    """Each value of each task's link is one that the figure can use."""
    for number, name in FIGURES.items():
        told = lesson_path(reader.course, number).replace("index.html", "teacher/index.html")
        text = reader.course.entries[f"/{told}"].body.decode()
        page = reader.open(f"figures/{name}/index.html")
        page.locator(f"bz-{name} .figure-stage").wait_for()
        fragments = [html.unescape(link) for link in re.findall(rf'figures/{name}/index\.html#([^"]+)"', text)]
        assert fragments
        for fragment in fragments:
            read = page.locator(f"bz-{name}").evaluate(
                """(figure, fragment) => new Promise(resolve => {
                  const tell = () => resolve([figure.link.fromLink, figure.link.rejected]);
                  addEventListener("hashchange", tell, { once: true });
                  history.replaceState(null, "", "#"); // or the same one would be no change
                  location.hash = fragment;
                })""",
                fragment,
            )
            wanted = [pair.split("=")[0].removeprefix(f"{name}.") for pair in fragment.split("&")]
            assert [sorted(read[0]), read[1]] == [sorted(wanted), []], fragment

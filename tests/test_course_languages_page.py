"""The Spanish pages in a real Chromium: the way there and back, words that fit, and figures that speak Spanish."""

import pytest
from playwright.sync_api import expect

from bozzetto.course.content import read_toml
from bozzetto.course.pages import HERE
from browser import lesson_path, pages, too_wide

pytest_plugins = ["browser"]

SHELL = read_toml(HERE / "content/es/interface/shell.toml")


def test_the_switch_leads_to_the_same_page_with_what_the_address_says_and_nothing_remembers_it(reader, course):
    path = "glossary/index.html?from=class#latent"
    page = reader.open(path)
    for name, lang, place in (("Español", "es", "es/"), ("English", "en", "")):
        page.locator(".languages").get_by_role("link", name=name).click()
        page.wait_for_url(course.url + place + path)
        assert page.locator("html").get_attribute("lang") == lang
        assert page.locator(".languages [aria-current]").inner_text() == name
    page.locator(".languages").get_by_role("link", name="Español").click()
    page.wait_for_url(f"{course.url}es/**")
    assert reader.open("index.html").locator("html").get_attribute("lang") == "en"


@pytest.mark.parametrize("lang", ["en", "es"])
def test_a_figure_speaks_the_language_of_its_page(reader, course, lang):
    """It says once that the models read English, where there is something to type, and shares all files."""
    path = f"{'' if lang == 'en' else 'es/'}{lesson_path(course, 9)}"
    reader.asked()
    page = reader.open(f"{path}#same-blocks.job=story&same-blocks.strength=0.5")
    figure = page.locator("bz-same-blocks")
    figure.scroll_into_view_if_needed()
    fields = figure.locator(".field-text")
    expect(fields).to_have_count(4)
    said = fields.locator(".reads-english").all_inner_texts()
    assert said == ([] if lang == "en" else [SHELL["reads-english"]])
    expect(figure.get_by_role("button", name=SHELL["share"], exact=True)).to_have_count(int(lang == "es"))
    figure.locator(".badge summary").click()
    expect(figure.locator(".badge li").nth(1)).to_contain_text(" MB")
    facts = figure.locator(".badge li").first
    assert ("," if lang == "es" else ".") in facts.inner_text().partition(" MB")[0].rpartition(" ")[2]
    card = course.url + path.partition("lessons/")[0] + "models/"
    assert facts.get_by_role("link").evaluate("link => link.href").startswith(card)
    assert [asked for asked in reader.asked() if asked.startswith("es/")] == ([path] if lang == "es" else [])


def test_the_words_of_every_page_fit(reader, course):
    found = {}
    for path in pages(course):
        if path.startswith("es/") and not path.startswith("es/models/"):
            page = reader.open(path)
            for width, font in ((320, "100%"), (640, "200%")):
                page.set_viewport_size({"width": width, "height": 800})
                page.evaluate("size => document.documentElement.style.fontSize = size", font)
                found |= {f"{path}, {width} px": wide for wide in [too_wide(page)] if wide}
    assert found == {}

"""The course for e-readers: pages are XML, formulas are MathML, every picture is a file that an EPUB may hold."""

import base64
import io
import zipfile
from xml.etree import ElementTree

import pytest
from PIL import Image

from tools import book_epub

XHTML = "{http://www.w3.org/1999/xhtml}"
MATHML = "{http://www.w3.org/1998/Math/MathML}"


def film() -> bytes:
    """A WebP of three pictures: red, green, blue."""
    pictures = [Image.new("RGB", (8, 6), colour) for colour in ("red", "lime", "blue")]
    file = io.BytesIO()
    pictures[0].save(file, "WEBP", save_all=True, append_images=pictures[1:], duration=100, lossless=True)
    return file.getvalue()


PAGE = r"""<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" lang="en" xml:lang="en"><head><title>A</title>
<link rel="stylesheet" href="../_static/here.css" /><link rel="stylesheet" href="../_static/gone.css" />
<script src="x.js"></script></head><body>
<picture><source media="(prefers-reduced-motion: reduce)" srcset="x">
<img alt="A film." src="data:image/webp;base64,FILM"></picture><br><style>.a :is(th, td) { color: red }</style>
<img alt="A picture." src="../_images/flip.webp"/>
<span class="math notranslate">\(\mu = \tfrac{1}{2}\)</span> <div class="math">\[ a \big( \dots \big) \]</div>
<span class="math">\(\undefinedthing{x} &lt; 1\)</span>
<details><summary><p>Show the solution</p></summary><p>a &amp; b &lt; c</p></details>
<a href="02_ppo.html">02</a> <a href="https://example.org/a.html">far</a>
</body></html>"""
CONTENT = """<package><manifest><item href="notebooks/a.xhtml" id="a" media-type="application/xhtml+xml" />
<item href="_images/flip.webp" id="b" media-type="image/webp" /></manifest></package>"""


@pytest.fixture
def tidied(tmp_path):
    """A small EPUB after `tidy`."""
    path = tmp_path / "book.epub"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("notebooks/a.xhtml", PAGE.replace("FILM", base64.b64encode(film()).decode()))
        archive.writestr("_static/here.css", "p { color: red }")
        archive.writestr("_images/flip.webp", film())
        archive.writestr("content.opf", CONTENT)
    book_epub.tidy(path)
    return zipfile.ZipFile(path)


def test_a_page_is_xml_without_what_an_epub_forbids(tidied):
    page = ElementTree.fromstring(tidied.read("notebooks/a.xhtml"))
    tags = [element.tag.removeprefix(XHTML) for element in page.iter()]
    assert not {"script", "source", "picture", "style"} & set(tags)
    assert [link.get("href") for link in page.iter(f"{XHTML}link")] == ["../_static/here.css"]
    assert [link.get("href") for link in page.iter(f"{XHTML}a")] == ["02_ppo.xhtml", "https://example.org/a.html"]
    summary = next(page.iter(f"{XHTML}summary"))
    assert [child.tag for child in summary] == [f"{XHTML}span"] and "".join(summary.itertext()) == "Show the solution"
    assert [paragraph.text for paragraph in page.iter(f"{XHTML}p")] == ["a & b < c"]


def test_formulas_are_mathml_and_what_is_unknown_stays_readable(tidied):
    page = ElementTree.fromstring(tidied.read("notebooks/a.xhtml"))
    formulas = list(page.iter(f"{MATHML}math"))
    assert ["".join("".join(formula.itertext()).split()) for formula in formulas] == ["μ=12", "a(…)"]
    assert next(formulas[0].iter(f"{MATHML}mfrac")).attrib == {} and formulas[1].get("display") == "block"
    assert [code.text for code in page.iter(f"{XHTML}code")] == [r"\undefinedthing{x} < 1"]
    assert 'href="notebooks/a.xhtml" properties="mathml"' in tidied.read("content.opf").decode()


def test_films_become_their_middle_picture(tidied):
    page = ElementTree.fromstring(tidied.read("notebooks/a.xhtml"))
    shown = {image.get("alt"): image.get("src") for image in page.iter(f"{XHTML}img")}
    assert shown["A picture."] == "../_images/flip.png" and shown["A film."].startswith("../_images/")
    items = tidied.read("content.opf").decode()
    for address in shown.values():
        name = address.removeprefix("../")
        picture = Image.open(io.BytesIO(tidied.read(name)))
        assert picture.format == "PNG" and picture.convert("RGB").getpixel((3, 3)) == (0, 255, 0)
        assert f'"{name}"' in items
    assert "webp" not in items and not [name for name in tidied.namelist() if name.endswith("webp")]


def test_the_first_entry_says_what_the_file_is(tidied):
    first = tidied.infolist()[0]
    assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)

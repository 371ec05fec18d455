"""Makes of Sphinx's EPUB one that e-readers accept: whole XHTML, formulas as MathML, films as still pictures.

Cells of the notebooks show HTML that was written for browsers. An EPUB's pages are XML and hold no scripts; its
pictures are files of a few kinds, WebP and `data:` addresses not among them. So each page is written anew.
"""

import base64
import hashlib
import io
import re
import zipfile
from pathlib import Path, PurePosixPath

from bs4 import BeautifulSoup, Tag
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from PIL import Image

INLINE = ("span", "summary", "a", "b", "i", "em", "strong", "small", "label", "code")
DATA = re.compile(r"data:(image/[a-z+]+);base64,(.+)", re.DOTALL)
WEB_PAGE = re.compile(r"^((?!https?:)[^#?]+)\.html")             # a link that a cell shows to a page of the web site
SPELLED = {                             # TeX in words that the converter knows, or that e-readers do
    r"\\[bB]igg?[lrm]?(?![a-zA-Z])": "", r"\\dots(?![a-zA-Z])": r"\\ldots", "…": r"\\ldots ", r"\\[td]frac": r"\\frac",
}
ENDINGS = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/svg+xml": "svg"}


class Book:
    """The files of an EPUB, by their names in it."""

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            self.files = {name: archive.read(name) for name in archive.namelist()}
        self.added: dict[str, str] = {}             # pictures that pages held inside themselves: name -> type
        self.with_formulas: set[str] = set()        # names of pages

    def save(self, path: Path) -> None:
        """Write the archive; its first entry says what it is, and is not compressed."""
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("mimetype", self.files["mimetype"], zipfile.ZIP_STORED)
            for name, content in self.files.items():
                if name != "mimetype":
                    archive.writestr(name, content)


def tidy(path: Path) -> None:
    """Rewrite the EPUB at `path`."""
    book = Book(path)
    for name in [name for name in book.files if name.endswith(".xhtml")]:
        book.files[name] = page(book, name)
    for name in [name for name in book.files if name.endswith(".webp")]:
        book.files[name.removesuffix("webp") + "png"] = still(book.files.pop(name))
    book.files["content.opf"] = manifest(book)
    book.save(path)


def page(book: Book, name: str) -> bytes:
    """One page as XHTML."""
    soup = BeautifulSoup(book.files[name].decode(), "html.parser")
    folder = PurePosixPath(name).parent
    for tag in soup.select("script, source, body style"):
        tag.decompose()
    for link in soup.find_all("link", rel="stylesheet"):
        if joined(folder, link["href"]) not in book.files:
            link.decompose()
    for link in soup.find_all("a", href=True):
        link["href"] = WEB_PAGE.sub(r"\1.xhtml", link["href"])
    for picture in soup.find_all("picture"):
        picture.unwrap()
    for block in soup.find_all(["p", "div"]):
        if block.find_parent(INLINE):
            block.name = "span"
    for image in soup.find_all("img"):
        image["src"] = source(book, folder, image["src"])
    formulas = soup.select("span.math, div.math")
    for formula in formulas:
        as_mathml(formula)
    if soup.find("math"):
        book.with_formulas.add(name)
    return soup.decode(formatter="minimal").encode()


def as_mathml(formula: Tag) -> None:
    r"""Replace `\(...\)` or `\[...\]` by MathML; TeX that the converter does not know stays, as code."""
    tex, block = formula.get_text().strip(), formula.name == "div"
    tex = re.sub(r"^\\[(\[]|\\[)\]]$", "", tex).strip()
    for pattern, word in SPELLED.items():
        tex = re.sub(pattern, word, tex)
    try:
        written = tex2mathml(tex, as_block=block)
    except (MathError, SyntaxError, KeyError, IndexError, ValueError, AttributeError):
        formula.clear()
        code = BeautifulSoup("<code></code>", "html.parser").code
        code.string = tex
        formula.append(code)
        return
    formula.clear()
    formula.append(BeautifulSoup(written, "html.parser"))
    formula.math["xmlns"] = "http://www.w3.org/1998/Math/MathML"


def source(book: Book, folder: PurePosixPath, address: str) -> str:
    """Where a picture lies in the EPUB, seen from a page in `folder`; one inside the page becomes a file."""
    found = DATA.match(address)
    if not found:
        return re.sub(r"\.webp$", ".png", address)
    kind, content = found[1], base64.b64decode(found[2])
    if kind == "image/webp":
        kind, content = "image/png", still(content)
    name = f"_images/{hashlib.sha256(content).hexdigest()[:16]}.{ENDINGS[kind]}"
    book.files[name], book.added[name] = content, kind
    return "../" * len(folder.parts) + name


def still(content: bytes) -> bytes:
    """The middle picture of a WebP as PNG, in 256 colours."""
    image = Image.open(io.BytesIO(content))
    image.seek(getattr(image, "n_frames", 1) // 2)
    file = io.BytesIO()
    whole = Image.new("RGBA", image.size, "white")              # e-readers turn pages grey or black behind it
    whole.alpha_composite(image.convert("RGBA"))
    whole.convert("RGB").quantize(256).save(file, "PNG", optimize=True)
    return file.getvalue()


def joined(folder: PurePosixPath, address: str) -> str:
    """The name of a file that a page in `folder` addresses."""
    parts: list[str] = []
    for part in (folder / address.split("?")[0].split("#")[0]).parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)


def manifest(book: Book) -> bytes:
    """content.opf with the pictures as they are now, and a word on pages with formulas."""
    text = book.files["content.opf"].decode()
    text = re.sub(r'(href="[^"]+)\.webp"', r'\1.png"', text).replace('"image/webp"', '"image/png"')
    new = "".join(f'<item id="added-{number}" href="{name}" media-type="{kind}" />\n'
                  for number, (name, kind) in enumerate(sorted(book.added.items())))
    text = text.replace("</manifest>", f"{new}</manifest>")
    for name in book.with_formulas:
        text = re.sub(rf'(<item [^>]*href="{re.escape(name)}")', r'\1 properties="mathml"', text)
    return text.encode()

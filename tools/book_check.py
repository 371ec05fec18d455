"""Reads the built pages of the book again: links, texts of pictures, and that nothing comes from another host."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHED = {"img": "src", "script": "src", "link": "href", "iframe": "src", "video": "src", "source": "src",
           "audio": "src"}
NOT_FETCHED = {"canonical", "next", "prev", "index", "search", "author", "copyright", "glossary", "help", "top"}


class Page(HTMLParser):
    """The anchors, links, pictures and fetched files of one page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.without_text: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Called by the parser."""
        values = {name: value or "" for name, value in attributes}
        self.anchors.update(filter(None, (values.get("id"), values.get("name") if tag == "a" else None)))
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        where = values.get(FETCHED.get(tag, ""), "")
        if where and not (tag == "link" and values.get("rel") in NOT_FETCHED):
            self.fetched.append(where)
        if tag == "img" and not values.get("alt", "").strip():
            self.without_text.append(where[:60])


def faults(site: Path) -> list[str]:
    """One sentence for each fault of the site in the folder `site`."""
    pages = {path.resolve(): Page(path) for path in sorted(site.rglob("*.html"))}
    found = [] if pages else [f"{site} holds no page."]
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        found += [f"{name}: the picture {what} has no text." for what in page.without_text]
        found += [f"{name}: fetches {what} from another host." for what in page.fetched if elsewhere(what)]
        found += [f"{name}: {fault}" for what in (*page.links, *page.fetched) if (fault := broken(path, what, pages))]
    for sheet in sorted(site.rglob("*.css")):
        named = re.findall(r"url\(['\"]?([^'\")]+)", sheet.read_text(encoding="utf-8"))
        found += [f"{sheet.relative_to(site)}: fetches {what} from another host." for what in named if elsewhere(what)]
    return found


def elsewhere(address: str) -> bool:
    """Whether an address names another host."""
    return bool(urlsplit(address).netloc)


def broken(path: Path, address: str, pages: dict[Path, Page]) -> str:
    """What is wrong with a link of the page at `path`; empty when it leads somewhere, or out of the site."""
    if address.startswith("data:"):
        return ""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return ""
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_file():
        return f"the link {address} leads nowhere."
    if parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
        return f"the link {address} leads to a place that the page does not have."
    return ""

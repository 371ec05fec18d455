"""Bring docs/architecture.md up to date: its list of modules and its picture. `.venv/bin/python tools/architecture.py`

The list is the first sentence of each file's docstring. The picture shows the packages, layer by layer as
pyproject.toml has them, with an arrow for each import that does not follow from two others, and the ways of a click, an
answer and a token, as the page tells them. `--check` writes nothing and fails when page or picture would change.
"""

import argparse
import ast
import re
import sys
import tomllib
from html import escape
from itertools import product
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent
LIBRARY, PAGE, PICTURE = ROOT / "course_lib", ROOT / "docs" / "architecture.md", ROOT / "docs" / "architecture.svg"
BEGIN, END = "<!-- modules: written by tools/architecture.py -->", "<!-- end of modules -->"
STEP = re.compile(r"`(?P<file>[\w/]+\.(?:py|js)):(?P<name>[\w.]+)`")           # a file of course_lib and what is in it

PLACES = {                      # package: its column in the picture, and what it is in a few words
    "share": (3, "a page to show others"),
    "authoring": (0, "lessons to notebooks"),
    "classroom": (1, "grading in a sandbox"),
    "exercises": (0, "checks, hints, progress"),
    "atari": (1, "Pong, Donkey Kong"),
    "hopper": (0, "the backflip"),
    "lm": (3, "GPT, SFT, PPO on text"),
    "preferences": (2, "reward models, the loop"),
    "rl": (1, "PPO, CartPole"),
    "labels": (3, "label store, labeler"),
    "show": (0, "plots, videos"),
    "training": (1, "checkpoints, resuming"),
    "assets": (2, "data, fetched once"),
}
WAYS = {"click": ("#0072B2", "#ffffff"), "answer": ("#E69F00", "#000000"), "token": ("#CC79A7", "#000000")}
WIDTH, BOX, TALL, LEFT, ACROSS, DOWN = 900, 184, 74, 24, 223, 112         # pixels


# ---- the list of modules -------------------------------------------------------------------------------------------

def files(library: Path = LIBRARY) -> list[Path]:
    """Every source file of the library, in the order of the list."""
    found = [path for path in library.rglob("*") if path.suffix in (".py", ".js", ".css")]
    return sorted(found, key=lambda path: (len(path.relative_to(library).parts) > 1, path.relative_to(library)))


def sentence(path: Path) -> str:
    """The first sentence of a Python file's docstring, or of the comment at the head of another file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        text = ast.get_docstring(ast.parse(text)) or ""
    else:
        text = re.sub(r"^(/\*|//|   )\s?", "", text.partition("\n\n")[0], flags=re.MULTILINE)
    paragraph = " ".join(text.split("\n\n")[0].removesuffix("*/").split())
    first = re.split(r"(?<=[.?!])\s+(?=[A-Z`])", paragraph)[0]
    if not first:
        raise SystemExit(f"{path} has no docstring: say in its first sentence what it is.")
    return first


def module_list(library: Path = LIBRARY) -> str:
    """The list as Markdown: a table for each package, a row for each file."""
    tables: dict[str, list[str]] = {}
    for path in files(library):
        relative = path.relative_to(library)
        package = relative.parts[0] if len(relative.parts) > 1 else ""
        rows = tables.setdefault(package, [])
        if path.name == "__init__.py" and len(relative.parts) <= 2:
            title = f"course_lib/{package}" if package else "course_lib"
            rows[:0] = [f"### {title}", "", sentence(path), "", "| file | what it is |", "|---|---|"]
        else:
            name = relative.relative_to(package).as_posix() if package else relative.as_posix()
            rows.append(f"| {name} | {sentence(path).replace('|', chr(92) + '|')} |")
    return "\n\n".join("\n".join(rows) for rows in tables.values())


def page(text: str, library: Path = LIBRARY) -> str:
    """The page with today's list between its two marks."""
    before, _, rest = text.partition(BEGIN)
    old, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"{PAGE} needs the lines {BEGIN} and {END}: between them stands the list of modules.")
    return f"{before}{BEGIN}\n\n{module_list(library)}\n\n{END}{after}"


# ---- the picture ---------------------------------------------------------------------------------------------------

def ways(text: str) -> dict[str, set[str]]:
    """The packages through which the page leads a click, an answer and a token, by those names."""
    sections = {section.split()[1]: section for section in text.split("\n## ")[1:]}       # "A click becomes ..."
    return {name: {step["file"].split("/")[0] for step in STEP.finditer(sections[name])} for name in WAYS}


def imported(graph: grimp.ImportGraph, one: str, other: str) -> bool:
    """Whether anything in one of these two parts of course_lib imports anything in the other."""
    return one != other and graph.direct_import_exists(
        importer=f"course_lib.{one}", imported=f"course_lib.{other}", as_packages=True)


def arrows(graph: grimp.ImportGraph, packages: list[str]) -> list[tuple[str, str]]:
    """Which package imports which, without what follows from two other arrows."""
    every = {(one, other) for one, other in product(packages, repeat=2) if imported(graph, one, other)}
    reach = set(every)
    for middle, one, other in product(packages, repeat=3):
        if (one, middle) in reach and (middle, other) in reach:
            reach.add((one, other))
    return sorted((one, other) for one, other in every
                  if not any((one, middle) in reach and (middle, other) in reach for middle in packages))


def rows() -> list[list[str]]:
    """The packages of each layer, from the top, as the contract in pyproject.toml has them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = next(contract["layers"] for contract in settings["contracts"] if contract["id"] == "layers")
    named = [[name.strip(" ()") for name in layer.split("|")] for layer in layers]
    packages = [[name for name in layer if (LIBRARY / name / "__init__.py").exists()] for layer in named]
    missing = {name for layer in packages for name in layer} - PLACES.keys()
    if missing:
        raise SystemExit(f"tools/architecture.py: give {', '.join(sorted(missing))} a place in PLACES.")
    return [layer for layer in packages if layer]


def picture(text: str) -> str:
    """The picture as SVG, light or dark as the reader's screen is."""
    graph = grimp.build_graph("course_lib", cache_dir=None, exclude_type_checking_imports=True)
    layers, through = rows(), ways(text)
    place = {name: (LEFT + ACROSS * PLACES[name][0], 104 + DOWN * row) for row, layer in enumerate(layers)
             for name in layer}
    singles = sorted(path.stem for path in LIBRARY.glob("*.py") if path.stem != "__init__")
    shared = [name for name in singles if any(imported(graph, package, name) for package in place)]
    height = 104 + DOWN * len(layers) + 70
    parts = [strip(16, "the course command: " + ", ".join(name for name in singles if name not in shared)),
             strip(height - 60, "all may use: " + ", ".join(shared))]
    for one, other in arrows(graph, list(place)):
        hidden = [name for name in place if behind(place[one], place[other], place[name])]
        if hidden:
            raise SystemExit(f"tools/architecture.py: the arrow from {one} to {other} would run behind {hidden[0]}. "
                             "Give one of the three another column in PLACES.")
        parts.append(arrow(place[one], place[other]))
    parts += [box(name, spot, [way for way in WAYS if name in through[way]]) for name, spot in place.items()]
    return SVG.format(width=WIDTH, height=height, inside="\n".join(parts))


def strip(y: int, words: str) -> str:
    """A wide, low box for the single modules."""
    return (f'<rect class="box" x="{LEFT}" y="{y}" width="{WIDTH - 2 * LEFT}" height="44" rx="8"/>\n'
            f'<text class="small" x="{WIDTH // 2}" y="{y + 27}">{escape(words)}</text>')


def box(name: str, spot: tuple[int, int], passing: list[str]) -> str:
    """A package: its name, a few words, and a mark for each way that leads through it."""
    x, y = spot
    lines = [f'<rect class="box" x="{x}" y="{y}" width="{BOX}" height="{TALL}" rx="8"/>',
             f'<text class="name" x="{x + BOX // 2}" y="{y + 21}">{name}</text>',
             f'<text class="small" x="{x + BOX // 2}" y="{y + 40}">{escape(PLACES[name][1])}</text>']
    for number, way in enumerate(passing):
        fill, ink = WAYS[way]
        left = x + BOX // 2 + 56 * number - 28 * len(passing) + 2
        lines += [f'<rect x="{left}" y="{y + 49}" width="52" height="18" rx="9" fill="{fill}"/>',
                  f'<text class="way" x="{left + 26}" y="{y + 62}" style="fill:{ink}">{way}</text>']
    return "\n".join(lines)


def ends(start: tuple[int, int], end: tuple[int, int]) -> tuple[int, int, int, int]:
    """x1, y1, x2, y2 of an arrow from the importing package's lower edge to the imported one's upper edge."""
    lean = 50 * ((end[0] > start[0]) - (end[0] < start[0]))
    return start[0] + BOX // 2 + lean, start[1] + TALL, end[0] + BOX // 2 - lean, end[1] - 4


def arrow(start: tuple[int, int], end: tuple[int, int]) -> str:
    """The line between two boxes, with its head."""
    x1, y1, x2, y2 = ends(start, end)
    return f'<line class="arrow" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" marker-end="url(#head)"/>'


def behind(start: tuple[int, int], end: tuple[int, int], spot: tuple[int, int]) -> bool:
    """Whether the arrow between two boxes would run behind the box at `spot`."""
    x1, y1, x2, y2 = ends(start, end)
    if not y1 <= spot[1] < spot[1] + TALL <= y2:
        return False
    left, right = sorted(x1 + (x2 - x1) * (y - y1) / (y2 - y1) for y in (spot[1], spot[1] + TALL))
    return left <= spot[0] + BOX and right >= spot[0]


SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">
<title>The packages of course_lib, and what imports what</title>
<style>
  .page {{ fill: #ffffff; }} .box {{ fill: #f6f8fa; stroke: #57606a; }} .arrow, .head {{ stroke: #57606a; }}
  .head {{ fill: #57606a; }} .arrow {{ stroke-width: 1.6; }}
  text {{ font-family: system-ui, sans-serif; fill: #1f2328; text-anchor: middle; }}
  .name {{ font-size: 17px; font-weight: 600; }} .small {{ font-size: 13px; }} .way {{ font-size: 12px; }}
  @media (prefers-color-scheme: dark) {{
    .page {{ fill: #0d1117; }} .box {{ fill: #161b22; stroke: #8b949e; }} .arrow, .head {{ stroke: #8b949e; }}
    .head {{ fill: #8b949e; }} text {{ fill: #e6edf3; }}
  }}
</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">\
<path class="head" d="M0 0L8 4L0 8z"/></marker></defs>
<rect class="page" width="{width}" height="{height}"/>
{inside}
</svg>
"""


def main() -> int:
    """Write page and picture, or compare them with `--check`; 1 when one differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    check = parser.parse_args().check
    text = PAGE.read_text(encoding="utf-8")
    wanted = {PAGE: page(text), PICTURE: picture(text)}
    stale = [path for path, content in wanted.items() if not path.exists() or path.read_text("utf-8") != content]
    for path in stale:
        if not check:
            path.write_text(wanted[path], encoding="utf-8")
        print(f"docs/{path.name}: {'is not what the code says: run tools/architecture.py' if check else 'written'}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())

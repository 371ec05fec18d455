"""A small picture of each lesson for the lists in README and book: `.venv/bin/python tools/thumbnails.py`

Each is a figure, or the middle frame of a film, that the stored notebook shows; PICKS names it by the beginning of its
alternative text. They go to assets/pictures/lessons/NN.webp; what they show stands in course_lib/course_map.py. Run it
after a lesson has been executed again; `--check` writes nothing and fails when a picture is no longer its figure.
"""

import argparse
import base64
import io
import json
import re
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageOps

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from course_lib.course_map import MAP  # noqa: E402

PICTURES = ROOT / "assets" / "pictures" / "lessons"
SIZE = (300, 180)                   # pixels; shown at half of that, so that sharp screens have enough
SAME = 4.0                         # mean difference of grey levels up to which two pictures are the same figure
FIGURE = re.compile(r'<img[^>]*\ssrc="data:image/(png|webp);base64,([^"]+)"')
PICKS = {
    "00": "A loop. A policy", "01": "Three carts with poles.", "02": "Two moon landers side by side.",
    "03": "Accuracy on unseen comparisons against the number of labels", "04": "CartPole played from the same start",
    "05": "A one-legged robot leans back", "06": "Two games of Pong side by side, we are on the right.",
    "07": "Two games of Donkey Kong side by side", "08": "Two heat maps of attention weights",
    "09": "Three curves over 80 updates", "10": "Accuracy on unseen preferences against the number of labels",
    "11": "Four panels: gains of proxy", "12": "For each method and preference the blind win rate",
    "13": "Against n: the reward of the best", "14": "Left: proxy reward against KL",
    "15": "People's rating of the best of n",
}
LEFT = {"09": 0.32, "11": 0.34, "13": 0.24, "14": 0.49, "15": 0.46}     # panels on the left: this share of the width


def main() -> int:
    """Write the pictures, or compare them with their figures; 1 when one differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a picture is out of date")
    options = parser.parse_args()
    stale = [number for number in PICKS if not up_to_date(number)]
    if options.check:
        for number in stale:
            print(f"lesson {number}: the picture is not the figure any more: run tools/thumbnails.py", file=sys.stderr)
        return int(bool(stale))
    PICTURES.mkdir(parents=True, exist_ok=True)
    for number in stale:
        thumbnail(figure(number), LEFT.get(number, 1.0)).save(PICTURES / f"{number}.webp", "WEBP", quality=70, method=6)
    print(f"written: {', '.join(stale) or 'nothing'}; {size() / 1e3:.0f} kB in all")
    return 0


def figure(number: str) -> Image.Image:
    """The picked figure of a lesson's stored notebook. Raises SystemExit when it is not there any more."""
    return Image.open(io.BytesIO(shown_figure(number, PICKS[number])[0]))


def shown_figure(number: str, start: str) -> tuple[bytes, str, str]:
    """(content, "png" or "webp", alternative text) of a stored notebook's figure whose text begins with `start`."""
    slug = next(entry.slug for entry in MAP if entry.number == number)
    notebook = json.loads((ROOT / "notebooks" / f"{slug}.ipynb").read_text(encoding="utf-8"))
    for output in (output for cell in notebook["cells"] for output in cell.get("outputs", ())):
        shown = {kind: "".join(text) for kind, text in output.get("data", {}).items() if kind.startswith("text/")}
        found = FIGURE.search(shown.get("text/html", ""))
        if found and shown.get("text/plain", "").startswith(start):
            return base64.b64decode(found[2]), found[1], shown["text/plain"]
    raise SystemExit(f"notebooks/{slug}.ipynb has no figure whose text begins “{start}”: choose another in tools/")


def thumbnail(image: Image.Image, share: float = 1.0) -> Image.Image:
    """A figure or a film's middle frame on white, SIZE pixels: the left `share` of it, empty margins cut off."""
    image.seek(getattr(image, "n_frames", 1) // 2)
    whole = Image.new("RGBA", image.size, "white")
    whole.alpha_composite(image.convert("RGBA"))
    whole = whole.crop((0, 0, round(share * whole.width), whole.height))
    drawn = ImageChops.difference(whole.convert("L"), Image.new("L", whole.size, 255)).getbbox()
    whole = ImageOps.contain(whole.crop(drawn), SIZE, Image.Resampling.LANCZOS)
    small = Image.new("RGB", SIZE, "white")
    small.paste(whole.convert("RGB"), tuple((room - used) // 2 for room, used in zip(SIZE, whole.size, strict=True)))
    return small


def up_to_date(number: str) -> bool:
    """Whether the stored picture still looks like its figure."""
    path = PICTURES / f"{number}.webp"
    if not path.is_file():
        return False
    pictures = [np.asarray(image.convert("L"), dtype=float) for image in
                (Image.open(path), thumbnail(figure(number), LEFT.get(number, 1.0)))]
    return pictures[0].shape == pictures[1].shape and bool(abs(pictures[0] - pictures[1]).mean() < SAME)


def size() -> int:
    """Bytes of all pictures together."""
    return sum(path.stat().st_size for path in PICTURES.glob("*.webp"))


if __name__ == "__main__":
    sys.exit(main())

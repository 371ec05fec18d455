"""The book's gallery of behaviours that were taught by labels: films and texts, with the facts stored beside them.

Nothing is listed twice: the hoppers are those of course_lib/hopper/shipped.py with what their checkpoints say, the
other films those that the stored notebooks show, the texts those of benchmarks/results.
"""

from pathlib import Path

from course_lib.course_map import MAP
from course_lib.hopper.shipped import FROM_LABELS, PITCH_RATE, checkpoint, stored_film
from course_lib.training.checkpoint import load_checkpoint
from tools.results_figures import between, load, percent
from tools.thumbnails import shown_figure

FILMS = (                               # lesson, beginning of the alternative text, title
    ("04", "CartPole played from the same start by several agents", "CartPole: balance, near the centre"),
    ("04", "Two agents side by side: the one taught to balance near the centre", "CartPole: stay to the left"),
    ("07", "Two games of Pong side by side, we are the green paddle", "Pong: win points"),
    ("07", "Two games of Pong side by side: the agent as shipped", "Pong: keep the paddle low"),
    ("07", "A game of Donkey Kong: Jumpman", "Donkey Kong: climb the next ladder"),
)
FAILED = ("07", "Two games of Donkey Kong side by side", "Donkey Kong: what the first labels taught")
WISHES = {"dpo-simple": "Simple words", "dpo-short": "Short and plain", "dpo-cheerful": "Cheerful"}
EXAMPLES = 4


def gallery(pages: Path) -> str:
    """The page's films and texts in Markdown; films that lie in notebooks are written into the folder `pages`."""
    parts = ["## The hopper", "", *(line for behaviour in FROM_LABELS for line in hopper(behaviour)),
             "And for comparison, a reward that somebody wrote: “turn backwards”.", "", *written_reward(),
             "## CartPole and Atari", "", *(line for film in FILMS for line in from_notebook(pages, *film)),
             "Labels can teach the wrong thing as well:", "", *from_notebook(pages, *FAILED),
             "## A language model", "",
             "A pretrained model of 135 million weights, before and after labels of its own answers, on prompts "
             "without labels. Neither is always right: the labels asked for one thing only.", "",
             *(line for job, wish in WISHES.items() for line in answers(job, wish))]
    return "\n".join(parts)


def hopper(behaviour: str) -> list[str]:
    """One of the shipped hoppers, with what its checkpoint says of it."""
    name = FROM_LABELS[behaviour]
    facts = load_checkpoint(checkpoint(name))["facts"]
    return film(behaviour.capitalize(), f"A one-legged robot, taught by labels: {behaviour}.",
                f"assets/pictures/{stored_film(name).name}",
                f"{facts['labels']} labels of a synthetic labeler, {facts['cpu_s']:.0f} CPU-seconds. In 6 seconds it "
                f"turns {turned(facts['turns'])}; its torso is {facts['height']:.2f} m high on average. "
                f"(`{facts['command'].removesuffix(' --ship')}`)")


def turned(turns: float) -> str:
    """`backwards 5.2 times`."""
    return f"{'backwards' if turns >= 0 else 'forwards'} {abs(turns):.1f} times"


def written_reward() -> list[str]:
    """The hopper that was trained on a hand-written reward."""
    facts = load_checkpoint(checkpoint(PITCH_RATE))["facts"]
    return film("Turning, by a written reward", "A one-legged robot turns over again and again, low over the floor.",
                f"assets/pictures/{stored_film(PITCH_RATE).name}",
                f"No labels. It turns {turned(facts['turns'])}, and its torso is {facts['height']:.2f} m high on "
                "average: it rolls on the floor, which nobody forbade.")


def from_notebook(pages: Path, lesson: str, start: str, title: str) -> list[str]:
    """A film that a stored notebook shows, with the notebook's own words for it."""
    content, kind, says = shown_figure(lesson, start)
    path = f"assets/gallery/{lesson}-{title.split(':')[1].strip().replace(' ', '-')}.{kind}"
    (pages / path).parent.mkdir(parents=True, exist_ok=True)
    (pages / path).write_bytes(content)
    entry = next(entry for entry in MAP if entry.number == lesson)
    return film(title, says, path, f"From [lesson {lesson}](notebooks/{entry.slug}.ipynb). {says}")


def film(title: str, alt: str, path: str, says: str) -> list[str]:
    """A title, a film, and a paragraph."""
    return [f"### {title}", "", f"![{alt}]({path})", "", says, ""]


def answers(job: str, wish: str) -> list[str]:
    """Answers before and after labels for one wish, and how often a blind comparison preferred the later ones."""
    run = load(f"own_preferences_{job}")[0]
    rows = [f"| {cell(one['prompt'])} | {cell(one['before'])} | {cell(one['after'])} |"
            for one in run["examples"][:EXAMPLES]]
    return [f"### {wish}", "",
            f"{run['labels']} labels of a synthetic labeler, {run['cpu_s']:.0f} CPU-seconds. It prefers the later "
            f"answers in {percent(run['win_rate'])} of blind comparisons ({between(run['low'], run['high'])}).", "",
            "| asked | before | after |", "|---|---|---|", *rows, ""]


def cell(text: str) -> str:
    """A model's text inside a Markdown table: nothing in it is markup."""
    text = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]<>()#+!|$~&^" else letter for letter in text)

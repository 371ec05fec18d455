"""Pairs of Atari clips in the label store, for a person or for a script behind the same desk. Lesson 06.

    run = AtariFromPreferences(config)
    ask(store, run.pairs(run.wanted), "my-pong", PONG, round=1)
    labeler = Labeler(store, run="my-pong", target=20); labeler     # then, in the next cell:
    run.add(labeler.require(20))
"""

from collections.abc import Callable, Sequence

from course_lib.atari.games import Game
from course_lib.atari.segments import Segment, clip_for_people
from course_lib.labels.media import frames as frames_of
from course_lib.labels.records import Item
from course_lib.labels.store import PreferenceStore

ZOOM = 2                                # a court of 160 x 160 is shown as 320 x 320
WORDS = {1.0: "left", 0.0: "right", 0.5: "equal"}


def ask(store: PreferenceStore, pairs: Sequence[tuple[Segment, Segment]], run: str, game: Game,
        round: int = 0) -> list[int]:
    """Put pairs of segments into the store as questions of `run`; returns the questions' ids.

    The store keeps what people see (the court in colour, no score) and what the reward model reads (`obs`).
    """
    questions = []
    with store.transaction():
        for pair in pairs:
            clips = [store.add_clip(clip_for_people(segment, game, ZOOM), fps=15, obs=segment.obs, zoom=ZOOM,
                                    alt=f"{game.name.replace('_', ' ')}, {len(segment.obs)} steps of play")
                     for segment in pair]
            if clips[0] != clips[1]:                        # two identical clips: nothing to ask
                questions.append(store.add_pair(*clips, run=run, round=round))
    return questions


def scripted_by(judge: Callable[[Segment, Segment], float]) -> Callable[[Item, Item], str]:
    """A judge of segments as the labeller's `scripted=`: it is shown the stored pictures and answers in its words."""
    def answer(left: Item, right: Item) -> str:
        return WORDS[judge(_segment(left), _segment(right))]

    return answer


def _segment(item: Item) -> Segment:
    zoom = int(item.info["zoom"])
    return Segment(item.obs, frames_of(item)[:, ::zoom, ::zoom])

"""The schematics: every word is inside the picture, boxes do not overlap, and each shows what its lesson teaches."""

from itertools import combinations

import matplotlib.pyplot as plt
import pytest

from course_lib.show import schematics


@pytest.fixture(params=["feedback_loop", "agent_environment", "ppo_update", "from_comparisons", "preference_loop"])
def drawn(request):
    """A schematic, drawn in a notebook that has not set the course's style; closed afterwards."""
    with plt.rc_context():
        plt.rcdefaults()
        figure = getattr(schematics, request.param)()
        figure.canvas.draw()
        yield figure
        plt.close(figure)


def test_all_words_are_inside_the_picture(drawn):
    for text in drawn.axes[0].texts:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= drawn.bbox.x1, text.get_text()
        assert box.y0 >= 0 and box.y1 <= drawn.bbox.y1, text.get_text()


def test_no_words_lie_on_others(drawn):
    words = [text for text in drawn.axes[0].texts if text.get_text()]
    for one, other in combinations(words, 2):
        assert not one.get_window_extent().overlaps(other.get_window_extent()), (one.get_text(), other.get_text())


def test_the_loop_names_the_lessons_of_the_course():
    with plt.rc_context():
        figure = schematics.feedback_loop()
    said = " ".join(text.get_text() for text in figure.axes[0].texts)
    plt.close(figure)
    assert all(f"{number:02d}" in said for number in range(16))


def test_ppo_and_the_preference_loop_name_their_parts():
    for draw, parts in ((schematics.ppo_update, ("rollout", "advantages", "ratio", "critic", "entropy", "epochs")),
                        (schematics.preference_loop, ("collect", "label", "fit", "train", "evaluator"))):
        with plt.rc_context():
            figure = draw()
        said = " ".join(text.get_text() for text in figure.axes[0].texts)
        plt.close(figure)
        assert [part for part in parts if part not in said] == []

"""What is taken out of outputs before they are stored, piece by piece."""

from pathlib import Path

import pytest
from nbformat import NotebookNode, v4

from course_lib import paths
from course_lib.authoring import clean_outputs

WORK = Path("/tmp/course-work-abc")
VIEW = "application/vnd.jupyter.widget-view+json"


def cell(*outputs, tags=()):
    return v4.new_code_cell("x", outputs=list(outputs), metadata={"tags": list(tags)})


def stream(text, name="stderr"):
    return v4.new_output("stream", name=name, text=text)


def stored(*outputs, widgets=None, tags=()):
    return clean_outputs.outputs(cell(*outputs, tags=tags), widgets or {}, WORK)


@pytest.mark.parametrize(("raw", "shown"), [
    ("<f at 0x7f12ab34cd56> and 0x7f12ab34cd56", "<f at 0x...> and 0x..."),
    ("the mask is 0xff00", "the mask is 0xff00"),
    ("/tmp/course-work-abc/labels/a.db", "my_work/labels/a.db"),
    ("/tmp/course-work-abcdef", "/tmp/course-work-abcdef"),
    ("/tmp/ipykernel_12/345.py:1: UserWarning", "this cell:1: UserWarning"),
])
def test_text(raw, shown):
    assert clean_outputs.text(raw, WORK) == shown


def test_paths_of_the_checkout_and_home(monkeypatch):
    monkeypatch.setenv("COURSE_ROOT", "/home/ada/course")
    monkeypatch.setenv("HOME", "/home/ada")
    said = "/home/ada/course/a.py '/home/ada/course' /home/ada/x /home/adam /home/ada/course2"
    assert clean_outputs.text(said, WORK) == "a.py '.' ~/x /home/adam ~/course2"


def test_pictures_inside_html_stay_as_they_are(monkeypatch):
    monkeypatch.setenv("COURSE_ROOT", "/q")
    picture = '<img alt="a" src="data:image/png;base64,AA/q/BB">'
    assert clean_outputs.text(picture + "/q/a", WORK) == picture + "a"


def test_a_progress_bar_is_its_last_state_without_times():
    bar = "\r  0%|          | 0/3 [00:00<?, ?it/s]\rfit: 100%|####| 3/3 [00:01<00:00, 2.9it/s, loss=1.2]\n"
    assert stored(stream(bar))[0].text == "fit: 100%|####| 3/3\n"
    assert stored(stream("a line [00:01] of words\n"))[0].text == "a line [00:01] of words\n"


def test_streams_that_interleave_differently_are_stored_alike():
    one = stored(stream("a"), stream("1\n", "stdout"), stream("b"), stream("2\n", "stdout"))
    other = stored(stream("1\n2\n", "stdout"), stream("ab"))
    assert one == other and [output.text for output in one] == ["ab", "1\n2\n"]


def test_texts_of_others_are_left_out_but_errors_are_still_refused():
    assert "hated" not in str(stored(stream("hated it", "stdout"), tags=["third-party-text"]))
    assert stored(tags=["third-party-text"]) == []
    with pytest.raises(clean_outputs.ErrorOutput, match="KeyError: no"):
        stored(v4.new_output("error", ename="KeyError", evalue="no", traceback=[]), tags=["third-party-text"])


def test_a_widget_leaves_its_own_picture_or_that_of_its_outputs_or_a_note():
    view = {VIEW: {"model_id": "box"}, "text/plain": "interactive()"}
    widgets = {"box": {"children": ["IPY_MODEL_slider", "IPY_MODEL_out"]}, "slider": {"value": 1},
               "out": {"outputs": [stream("slope 1\n", "stdout"), {"output_type": "display_data", "metadata": {},
                                                                     "data": {"image/png": "AAAA"}}]}}
    inside = stored(v4.new_output("display_data", data=view), widgets=widgets)
    assert [output.output_type for output in inside] == ["stream", "display_data"]
    assert inside[1].data == {"image/png": "AAAA"}
    own = stored(v4.new_output("display_data", data={**view, "text/html": "<p>1</p>"}))
    assert own[0].data == {"text/plain": "interactive()", "text/html": "<p>1</p>"}
    assert clean_outputs.WIDGET in stored(v4.new_output("display_data", data=view))[0].data["text/plain"]
    bar = {VIEW: {"model_id": "bar"}, "text/plain": "  0%|          | 0/3 [00:00<?, ?it/s]"}
    assert stored(v4.new_output("display_data", data=bar)) == []


def test_an_error_inside_a_widget_is_refused():
    widgets = {"out": {"outputs": [NotebookNode(output_type="error", ename="ValueError", evalue="bad", traceback=[])]}}
    with pytest.raises(clean_outputs.ErrorOutput, match="ValueError: bad"):
        stored(v4.new_output("display_data", data={VIEW: {"model_id": "out"}}), widgets=widgets)


def test_the_checkout_itself_never_stands_in_an_output():
    assert str(paths.root()) not in clean_outputs.text(f"{paths.root()}/notebooks {paths.root().resolve()}", WORK)

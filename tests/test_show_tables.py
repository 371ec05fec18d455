"""Tables of completions: escaped, scored, and readable without HTML."""

import pytest

from course_lib.show.tables import plain_table, text_table

PROMPTS = ["The film", "<b>I"]
COLUMNS = {"before": ["The film was dull", "<b>I <i>& you"], "after": ["The film is love", "<b>I love <script>"]}
SCORES = {"after": [0.64, -0.5]}


def test_texts_are_shown_as_text():
    table = text_table(PROMPTS, COLUMNS, SCORES, "VADER")
    assert "<script>" not in table and "&lt;script&gt;" in table and "&amp; you" in table


def test_prompts_are_pale_and_scores_stand_in_front():
    table = text_table(PROMPTS, COLUMNS, SCORES, "VADER")
    assert '<span class="prompt">The film</span> was dull' in table
    assert "+0.64</span>" in table and "-0.50</span>" in table and "in front: VADER" in table


def test_where_the_texts_are_answers_alone_the_prompts_have_a_column():
    table = text_table(["How are <you>?"], {"answer": ["Well."]})
    assert '<th scope="col">prompt</th><th scope="col">answer</th>' in table
    assert "<td>How are &lt;you&gt;?</td><td>Well.</td>" in table
    assert ">prompt</th>" not in text_table(PROMPTS, COLUMNS)


def test_plain_text_says_the_same():
    assert plain_table(PROMPTS[:1], {name: texts[:1] for name, texts in COLUMNS.items()}, {"after": [0.64]}) == (
        "The film …\n  before | The film was dull\n  after  | +0.64 The film is love")


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="2 prompts, but 1 entries under 'after'"):
        text_table(PROMPTS, {"after": ["one"]})

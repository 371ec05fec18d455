"""Fine-tuning: what is learned and what is not; prompts of real texts; sentiment is VADER's."""

import nltk
import pytest
import torch
from nltk.sentiment.vader import SentimentIntensityAnalyzer

from course_lib import assets
from course_lib.errors import CourseError
from course_lib.lm.data import Prompts, short_texts
from course_lib.lm.gpt import GPT, GPTConfig
from course_lib.lm.pretrain import PretrainConfig, Pretraining, next_token_loss
from course_lib.lm.recipes import bpe_tokenizer
from course_lib.lm.sentiment import completions, mistakes, sentiment, whole_texts
from course_lib.lm.sft import NOT_LEARNED, Examples, positive_texts, sft_targets, start_sft
from course_lib.lm.tokenizers import CharTokenizer
from course_lib.preferences.human_ratings import RatedText, rated_texts

CHARACTERS = CharTokenizer()
TEXTS = ["good day", "a fine film", "no", "love"]


def small_model() -> GPT:
    return GPT(GPTConfig(CHARACTERS.vocab_size, context=16, layers=1, heads=2, width=16), seed=1)


def test_targets_are_the_completion_and_its_end():
    tokens = torch.tensor([[0, 5, 6, 7, 8, 0, 0], [0, 5, 9, 9, 0, 0, 0]])
    found = sft_targets(tokens, torch.tensor([6, 5]), prompt_tokens=2)
    off = NOT_LEARNED
    assert found.tolist() == [[off, off, 7, 8, 0, off], [off, off, 9, 0, off, off]]


def test_without_a_prompt_all_of_the_text_is_learned():
    found = sft_targets(torch.tensor([[0, 5, 6, 0, 0]]), torch.tensor([4]), prompt_tokens=0)
    assert found.tolist() == [[5, 6, 0, NOT_LEARNED]]


def test_examples_leave_out_texts_that_are_all_prompt_and_cut_long_ones():
    examples = Examples.of(TEXTS, CHARACTERS, length=8, prompt_tokens=2)
    assert len(examples) == 3 and examples.inputs.shape == examples.targets.shape == (3, 8)
    learned = [[token for token in row if token != NOT_LEARNED] for row in examples.targets.tolist()]
    assert CHARACTERS.decode(learned[0]) == "od day" and learned[0][-1] != CHARACTERS.eos    # too long: no end to learn
    assert learned[2] == [*CHARACTERS.encode("ve"), CHARACTERS.eos]


def test_nothing_to_learn_is_refused():
    with pytest.raises(ValueError, match="nothing to learn|anything to learn"):
        Examples.of(["ab"], CHARACTERS, length=8, prompt_tokens=4)


def test_the_loss_does_not_depend_on_prompt_targets_or_padding():
    narrow, wide = (Examples.of(["good day"], CHARACTERS, length, prompt_tokens=3) for length in (10, 15))
    model = small_model()
    losses = [next_token_loss(model(one.inputs), one.targets).item() for one in (narrow, wide)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    by_hand = -model(narrow.inputs).log_softmax(-1)[0, torch.arange(3, 9), torch.tensor(
        [*CHARACTERS.encode("d day"), CHARACTERS.eos])].mean().item()
    assert losses[0] == pytest.approx(by_hand, abs=1e-5)


def test_batches_hold_no_column_of_padding():
    examples = Examples.of(TEXTS, CHARACTERS, length=14, prompt_tokens=1)
    inputs, targets = examples.evenly_spaced(4, 14)
    assert inputs.shape == targets.shape == (4, 12) and (targets[:, -1] != NOT_LEARNED).any()


def test_fine_tuning_learns_completions_and_resumes_identically(tmp_path):
    config = PretrainConfig(steps=40, batch_size=4, length=14, learning_rate=5e-3, report_every=10, held_out_rows=4,
                            checkpoint_every=10, bfloat16=False)
    examples = Examples.of(TEXTS, CHARACTERS, length=14, prompt_tokens=1)
    whole = Pretraining(small_model(), examples, examples, config)
    list(whole.train())
    assert whole.history[-1].held_out_loss < 0.8 * whole.history[0].held_out_loss
    for point in Pretraining(small_model(), examples, examples, config, tmp_path / "sft.pt").train():
        if point.steps == 20:
            break
    resumed = Pretraining(small_model(), examples, examples, config, tmp_path / "sft.pt")
    assert resumed.steps == 20
    list(resumed.train())
    assert all(a.equal(b) for a, b in zip(whole.model.state_dict().values(), resumed.model.state_dict().values(),
                                          strict=True))


def test_positive_texts_are_those_that_people_rated_so():
    texts = set(positive_texts("validation"))
    assert all((rated.text in texts) == (rated.mean > 1.0) for rated in rated_texts("validation")[::50])
    assert not texts & set(positive_texts("train"))


def test_start_sft_trains_on_positive_texts():
    training = start_sft(GPT(GPTConfig(1_024, context=96, layers=1, heads=1, width=8)), bpe_tokenizer(),
                         PretrainConfig(steps=2, batch_size=4, length=64, report_every=1, held_out_rows=4,
                                        bfloat16=False))
    assert [point.steps for point in training.train()] == [1, 2]
    assert 5_000 < len(training.stream) <= len(positive_texts("train"))


def test_prompts_are_the_first_tokens_behind_an_end_token():
    prompts = Prompts.of(TEXTS, CHARACTERS, length=3)
    assert prompts.words(CHARACTERS) == ["goo", "a f", "lov"]                           # "no" is too short
    assert (prompts.tokens[:, 0] == CHARACTERS.eos).all() and prompts.tokens.shape == (3, 4)
    assert Prompts.of(TEXTS, CHARACTERS, length=0).tokens.tolist() == [[0]] * 4


def test_copies_of_a_prompt_stand_side_by_side():
    prompts = Prompts.of(TEXTS, CHARACTERS, length=2)
    drawn = prompts.sample(5, torch.Generator().manual_seed(0), copies=3).view(5, 3, 3)
    assert (drawn == drawn[:, :1]).all()
    assert drawn.equal(prompts.sample(5, torch.Generator().manual_seed(0), copies=3).view(5, 3, 3))
    assert prompts.evenly_spaced(2).tolist() == prompts.tokens[[0, -1]].tolist()


def test_prompts_that_no_text_is_long_enough_for():
    with pytest.raises(CourseError, match="shorter prompts"):
        Prompts.of(TEXTS, CHARACTERS, length=50)
    with pytest.raises(ValueError, match="0 or more"):
        Prompts.of(TEXTS, CHARACTERS, length=-1)


def test_sentiment_is_nltks_own_score(monkeypatch):
    lexicon = assets.path("vader-lexicon") / "vader_lexicon.txt"
    monkeypatch.setattr(nltk.data, "path", [*nltk.data.path, str(lexicon.parent)])      # nltk opens nothing elsewhere
    nltks = SentimentIntensityAnalyzer(lexicon_file=lexicon.resolve().as_uri())
    texts = [*short_texts("validation")[:50], "", "GREAT!!! :)", "not bad at all"]
    for text, score in zip(texts, sentiment(texts).tolist(), strict=True):
        assert score == pytest.approx(nltks.polarity_scores(text)["compound"], abs=1e-6), text


@pytest.mark.parametrize(("text", "score"), [
    ("VADER is smart, handsome, and funny.", 0.8316), ("VADER is smart, handsome, and funny!", 0.8439),
    ("VADER is VERY SMART, handsome, and FUNNY.", 0.9227), ("VADER is not smart, handsome, nor funny.", -0.7424),
    ("At least it isn't a horrible book.", 0.431), ("The book was good.", 0.4404)])
def test_sentiment_is_what_vaders_authors_publish(text, score):
    """Sentences and compound scores of the demo in the authors' own package, another program than nltk's."""
    assert sentiment([text]).item() == pytest.approx(score, abs=5e-5)


def test_what_was_written_is_decoded_up_to_its_end():
    tokens = torch.tensor([[0, *CHARACTERS.encode("good"), 0, 0], [0, *CHARACTERS.encode("badly"), 0]])
    assert whole_texts(CHARACTERS, tokens) == ["good", "badly"]
    assert completions(CHARACTERS, tokens, prompt_length=3) == ["od", "dly"]


def test_mistakes_come_worst_first():
    rated = [RatedText("tweets", "1", "I love waiting in line", (-3, -3)),
             RatedText("tweets", "2", "I love it", (3, 3)), RatedText("tweets", "3", "a killer bargain", (3, 3))]
    assert [one.text for one in mistakes(rated, 1, too_happy=True)] == ["I love waiting in line"]
    worst = mistakes(rated, 2, too_happy=False)[0]
    assert worst.text == "a killer bargain" and worst.people == 0.75 and worst.vader < 0

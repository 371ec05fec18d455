"""What the answers to lesson 00's exercises must do, and the course's own answers to them."""

from course_lib.exercises import Fail, agrees, close, exercise

# ---------------------------------------------------------------------------------------------------------------- 00.1

share = exercise(
    "00.1", title="How often was the left one preferred?", function="preferred_share", points=1, kind="implement",
    difficulty=1, importance=3, minutes=5, reference="checks:preferred_share",
    hints=("Decide first which answers count at all. Is \"skip\" a label?",
           "Leave the skips out. Of what is left, \"left\" is one vote, \"right\" none, \"equal\" half a vote.",
           "Give every word but \"skip\" its votes in a dict, and take the mean of votes[answer] over the answers that are "
           "left."))


def preferred_share(answers: list[str]) -> float:
    """Share of labels for the left side; "equal" counts half, "skip" is not a label."""
    votes = {"left": 1.0, "right": 0.0, "equal": 0.5}
    labels = [votes[answer] for answer in answers if answer != "skip"]
    return sum(labels) / len(labels)


@share.case("three of four for the left")
def _(fn):
    close(fn(["left", "right", "left", "left"]), 0.75, likely=[
        (3.0, "This is a number of votes. A share is that number divided by how many labels there are."),
        (0.25, "This is the share of the right side."),
        (75.0, "This is in per cent: a share goes from 0 to 1."),
        (0.0, "`//` drops the fraction: divide with `/`.")])


@share.case("equal counts half for each side")
def _(fn):
    close(fn(["left", "equal"]), 0.75, likely=[
        (1.0, "You left \"equal\" out, or counted it as a vote for the left. It is a label, for both sides alike: half a vote."),
        (1.5, "You left \"equal\" out of the number you divide by: it is a label, too."),
        (0.5, "You counted \"equal\" as a vote for the right. It is half a vote for each side.")])


@share.case("skip is not a label")
def _(fn):
    close(fn(["left", "skip", "skip", "right"]), 0.5, likely=[
        (0.25, "The skips are still in the number you divide by. Somebody who could not tell gave no label."),
        (0.75, "You counted a skip as half a vote. That is what \"equal\" means; \"skip\" means: leave this pair out."),
        (1 / 3, "One of the two skips is still there. (A loop that removes items from its own list passes over some.)")])


@share.case("any answers in any order")
def _(fn):
    def draw(rng):
        answers = [rng.one_of(("left", "right", "equal", "skip")) for _ in range(rng.length())]
        return ([*answers, rng.one_of(("left", "right", "equal"))],)

    agrees(fn, preferred_share, draw)


# ---------------------------------------------------------------------------------------------------------------- 00.2

vacuum = exercise(
    "00.2", title="The vacuum cleaner that is rewarded for dirt", function="prediction", points=1, kind="predict",
    difficulty=1, importance=2, minutes=5, reference="checks:prediction",
    hints=("Do not ask what the maker wanted. Ask what is rewarded.",
           "One gram in the bag is rewarded once. Is there a way to be rewarded for the same gram again?",
           "Dropping is not penalized, picking up is rewarded. Which of a, b, c, d can go on getting rewards?"))


def prediction() -> str:
    """What brings the most reward."""
    return "c"


@vacuum.case("what brings the most reward")
def _(fn):
    got = fn()
    said = str(got).strip().lower()
    if said not in ("a", "b", "c", "d"):
        raise Fail("prediction()", "'a', 'b', 'c' or 'd'", repr(got)[:60], "Answer with one of the four letters.")
    why = {"a": "Cleaning once and stopping is rewarded once. Is there something that is rewarded again and again?",
           "b": "Standing still saves nothing, because nothing is penalized, and it gets no reward.",
           "d": "Hiding dirt under the carpet is not picking it up: it is not rewarded at all."}
    if said in why:
        raise Fail("prediction()", "another letter", repr(got)[:60], why[said])


# ---------------------------------------------------------------------------------------------------------------- 00.3

mean = exercise(
    "00.3", title="Find the silent bug: a mean that is too small", function="mean_reward", points=1, kind="bug",
    difficulty=1, importance=2, minutes=5, reference="checks:mean_reward",
    hints=("Call it with three equal rewards. What should come out, what does?",
           "How many rewards does the loop add up, and how many does it divide by?",
           "range(1, len(rewards)) begins with the second reward: Python counts from 0."))


def mean_reward(rewards: list[float]) -> float:
    """Mean of a list of rewards."""
    return sum(rewards) / len(rewards)


@mean.case("three equal rewards")
def _(fn):
    close(fn([2.0, 2.0, 2.0]), 2.0, likely=[
        (4 / 3, "Two of the three rewards were added up, and the sum was divided by three."),
        (3.0, "All three were added up, and the sum was divided by two."),
        (2 / 3, "One reward was added up: is the return inside the loop, or = in place of +=?"),
        (6.0, "This is the sum: divide by the number of rewards.")])


@mean.case("the first reward counts")
def _(fn):
    close(fn([9.0, 0.0, 0.0]), 3.0, likely=[
        (0.0, "The first reward never entered the sum."),
        (4.5, "The sum is right; it was divided by one reward too few.")])


@mean.case("a single reward")
def _(fn):
    close(fn([5.0]), 5.0, likely=[(0.0, "The only reward never entered the sum.")])


@mean.case("any rewards")
def _(fn):
    agrees(fn, mean_reward, lambda rng: ([rng.number(-5, 5) for _ in range(rng.length())],))

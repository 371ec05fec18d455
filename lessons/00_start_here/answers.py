"""Right answers in other words, and plausible wrong ones with the message each must get."""

import numpy as np

from course_lib.authoring.answers import right, wrong

VOTES = {"left": 1.0, "right": 0.0, "equal": 0.5}


@right("00.1")
def with_counts(answers):
    left, right_, equal = (answers.count(word) for word in ("left", "right", "equal"))
    return (left + equal / 2) / (left + right_ + equal)


@right("00.1")
def with_numpy(answers):
    return np.mean([VOTES[answer] for answer in answers if answer in VOTES])


@wrong("00.1", says="You left \"equal\" out")
def without_ties(answers):
    return answers.count("left") / (answers.count("left") + answers.count("right"))


@wrong("00.1", says="still in the number you divide by")
def skips_in_the_divisor(answers):
    return sum(VOTES.get(answer, 0.0) for answer in answers) / len(answers)


@wrong("00.1", says="That is what \"equal\" means")
def skips_as_ties(answers):
    return np.mean([{**VOTES, "skip": 1.0}[answer] for answer in answers])


@wrong("00.1", says="This is a number of votes")
def votes_not_share(answers):
    return sum(VOTES.get(answer, 0.0) for answer in answers)


@wrong("00.1", says="share of the right side")
def the_right_side(answers):
    return 1 - np.mean([VOTES[answer] for answer in answers if answer in VOTES])


@wrong("00.1", says="counted \"equal\" as a vote for the right")
def ties_for_the_right(answers):
    labels = [answer for answer in answers if answer != "skip"]
    return labels.count("left") / len(labels)


@wrong("00.1", says="counted it as a vote for the left")
def ties_for_the_left(answers):
    labels = [answer for answer in answers if answer != "skip"]
    return (labels.count("left") + labels.count("equal")) / len(labels)


@wrong("00.1", says="number you divide by: it is a label")
def ties_not_in_the_divisor(answers):
    return (answers.count("left") + answers.count("equal") / 2) / max(1, answers.count("left") + answers.count("right"))


@wrong("00.1", says="passes over some")
def removed_in_a_loop(answers):
    answers = list(answers)
    for answer in answers:
        if answer == "skip":
            answers.remove(answer)
    return sum(VOTES.get(answer, 0.0) for answer in answers) / len(answers)


@wrong("00.1", says="in per cent")
def in_per_cent(answers):
    return 100 * with_numpy(answers)


@wrong("00.1", says="drops the fraction")
def whole_division(answers):
    labels = [VOTES[answer] for answer in answers if answer != "skip"]
    return sum(labels) // len(labels)


@right("00.2")
def the_loop():
    return "c"


@right("00.2")
def the_loop_as_a_capital():
    return " C "


@wrong("00.2", says="rewarded again and again")
def clean_and_stop():
    return "a"


@wrong("00.2", says="Standing still")
def stand_still():
    return "b"


@wrong("00.2", says="under the carpet")
def under_the_carpet():
    return "d"


@wrong("00.2", says="one of the four letters")
def in_words():
    return "it drops dirt and picks it up again"


@right("00.3")
def with_sum(rewards):
    return sum(rewards) / len(rewards)


@right("00.3")
def with_numpy_mean(rewards):
    return np.mean(rewards)


@wrong("00.3", says="Two of the three")
def starts_with_the_second(rewards):
    total = 0.0
    for i in range(1, len(rewards)):
        total += rewards[i]
    return total / len(rewards)


@wrong("00.3", says="divided by two")
def divides_by_one_less(rewards):
    return sum(rewards) / max(1, len(rewards) - 1)


@wrong("00.3", says="This is the sum")
def the_sum(rewards):
    return sum(rewards)


@wrong("00.3", says="Two of the three")
def stops_one_early(rewards):
    return sum(rewards[:-1]) / len(rewards)


@wrong("00.3", says="is the return inside the loop")
def returns_in_the_loop(rewards):
    total = 0.0
    for reward in rewards:
        total += reward
        return total / len(rewards)


@wrong("00.3", says="= in place of +=")
def last_reward_only(rewards):
    total = 0.0
    for reward in rewards:
        total = reward
    return total / len(rewards)

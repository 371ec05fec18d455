"""What the answers to lesson 07's exercises must do, and the course's own answers."""

import torch
from torch import Tensor

from course_lib.exercises import Fail, agrees, close, exercise, shape_is

BEHIND_THEM, BEHIND_US = 12, 148                # columns of pixels; we play on the right

# ---------------------------------------------------------------------------------------------------------------- 07.1

windows = exercise(
    "07.1", title="The return of every window", function="window_returns", points=1, kind="implement",
    difficulty=2, importance=3, minutes=10, reference="checks:window_returns",
    hints=("A window is a clip: its return is the sum of its rewards. How many windows of L steps fit into T steps?",
           "There are T - L + 1 windows: one starts at each of the steps 0 to T - L. Adding up each one separately works; a running sum "
           "makes it quick.",
           "With a row of zeros in front of rewards.cumsum(0), total[t] is the sum before step t, and the window from t on is "
           "total[t + L] - total[t]. Slices do that for all t at once."))


def window_returns(rewards: Tensor, length: int) -> Tensor:
    """The sum of every `length` consecutive rewards: (T, N) -> (T - length + 1, N)."""
    total = torch.cat([torch.zeros_like(rewards[:1]), rewards.cumsum(dim=0)])       # (T + 1, N)
    return total[length:] - total[:-length]


@windows.case("one game, windows of two steps")
def _(fn):
    got = fn(torch.tensor([[1.0], [2.0], [4.0], [8.0]]), 2)
    shape_is(got, (3, 1), mistake="Four steps hold three windows of two: one starts at each of the steps 0, 1 and 2.")
    close(got, torch.tensor([[3.0], [6.0], [12.0]]), likely=[
        ([[1.5], [3.0], [6.0]], "This is the mean of each window. The return of a clip is the sum of its rewards."),
        ([[1.0], [2.0], [4.0]], "These are the first rewards of the windows only."),
        ([[2.0], [4.0], [8.0]], "These are the last rewards of the windows only."),
        ([[2.0], [6.0], [12.0]], "The first window lacks its first step: a running sum must begin with a 0 before step 0.")])


@windows.case("games side by side do not mix")
def _(fn):
    rewards = torch.tensor([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
    close(fn(rewards, 2), torch.tensor([[3.0, 30.0], [5.0, 50.0]]), otherwise="Rows are steps of time and columns are games: add along "
          "the first dimension, and leave the games apart.")


@windows.case("the shortest and the longest window")
def _(fn):
    rewards = torch.tensor([[1.0], [-2.0], [5.0]])
    close(fn(rewards, 1), rewards, otherwise="The return of a window of one step is that step's reward.")
    close(fn(rewards, 3), torch.tensor([[4.0]]), otherwise="One window holds all three steps: 1 - 2 + 5.")


@windows.case("points that cancel out within a clip")
def _(fn):
    rewards = torch.zeros(40, 2)
    rewards[10, 0], rewards[20, 0] = 1.0, -1.0
    close(fn(rewards, 25), window_returns(rewards, 25), otherwise="The return of a clip with a point won and a point lost is 0.")


@windows.case("any rewards, any window")
def _(fn):
    def draw(rng):
        steps = rng.length()
        return rng.normal(steps, rng.length(), scale=2), rng.whole(1, steps)

    agrees(fn, window_returns, draw)


# ---------------------------------------------------------------------------------------------------------------- 07.2

comparing = exercise(
    "07.2", title="A synthetic labeler that sees only the clip", function="compare_clips", points=2, kind="implement",
    difficulty=2, importance=3, minutes=10, reference="checks:compare_clips",
    hints=("Count first, compare later: how many points did we win in a clip, and how many did we lose?",
           "The ball stays behind a paddle for several frames: a point is a *run* of such frames. It begins where the ball is behind "
           "the paddle and was not in the frame before.",
           "Shift `behind` by one frame, with False in front: that is `previous`, and a run begins where behind is True and previous is not. "
           "won - lost is the balance of a clip."))


def compare_clips(across1, across2) -> float:
    """mu of two clips by the balance of points that each shows. across: (L,) the ball's column, -1 where none is seen."""
    def balance(across) -> int:
        across = torch.as_tensor(across)
        won, lost = (across >= 0) & (across < BEHIND_THEM), across >= BEHIND_US
        return _runs(won) - _runs(lost)

    first, second = balance(across1), balance(across2)
    return 0.5 if first == second else float(first > second)


def _runs(flags: Tensor) -> int:
    before = torch.cat([torch.zeros(1, dtype=torch.bool), flags[:-1]])
    return int((flags & ~before).sum())


WON, LOST, NOTHING = [40, 28, 16, 4, -1], [120, 132, 144, 156, -1], [60, 70, 80, 90, 100]


def _mu(fn, one, other):
    got = fn(torch.tensor(one), torch.tensor(other))
    if got is None or isinstance(got, str):
        raise Fail(f"compare_clips({one}, {other})", "1, 0.5 or 0", repr(got), "A number is wanted: mu is 1 where the first clip is better, 0 "
                   "where the second is, 0.5 for a tie.")
    return float(got)


@comparing.case("a point won beats a point lost")
def _(fn):
    close(_mu(fn, WON, LOST), 1.0, likely=[
        (0.0, "The wrong way round: we play on the right, so a ball behind the left paddle is a point for us."),
        (0.5, "The first clip shows the ball behind *their* paddle, the second one behind ours: that is no tie.")])
    close(_mu(fn, LOST, WON), 0.0, likely=[(1.0, "mu is about the *first* clip: 0 where the second is better.")])


@comparing.case("nothing beats a point lost, and loses to a point won")
def _(fn):
    close(_mu(fn, NOTHING, LOST), 1.0, likely=[
        (0.5, "A clip without any point is better than one with a point lost: the balance is 0 against -1. (Or did the -1 at the end of the "
              "second clip, an unseen ball, count as a column left of 12?)"),
        (0.0, "A clip without any point is better than one with a point lost: the balance is 0 against -1.")])
    close(_mu(fn, NOTHING, WON), 0.0, likely=[(0.5, "A point won is better than nothing: 0 against +1.")])


@comparing.case("a tie is a label: 0.5")
def _(fn):
    for one, other in ((NOTHING, [90, 80, 70]), (WON, WON[1:]), ([4, -1, -1, 150], NOTHING)):
        close(_mu(fn, one, other), 0.5, likely=[
            (1.0, "Both clips show the same balance of points: 0.5. With > or >= alone, ties go to one side, and the reward model would "
                  "learn from them that one of two equal clips is better."),
            (0.0, "Both clips show the same balance of points: 0.5. With > or >= alone, ties go to one side, and the reward model would "
                  "learn from them that one of two equal clips is better.")])


@comparing.case("one point, however many frames the ball needs to leave")
def _(fn):
    slow, quick_twice = [20, 10, 8, 6, 4, 2, -1], [20, 4, -1, -1, 80, 20, 6]
    close(_mu(fn, slow, quick_twice), 0.0, likely=[
        (1.0, "You counted frames. In the first clip the ball is behind the paddle for five frames, and that is *one* point; the second "
              "clip shows two.")])


@comparing.case("an unseen ball is not behind a paddle")
def _(fn):
    close(_mu(fn, [-1, -1, 80, 90], NOTHING), 0.5, likely=[
        (1.0, "-1 says that no ball is seen: it is no column left of their paddle.")])
    close(_mu(fn, [8, -1, -1, 80], NOTHING), 1.0, likely=[
        (0.5, "A ball that is behind the paddle when the clip begins counts too.")])


@comparing.case("several points: the balance counts")
def _(fn):
    close(_mu(fn, [4, -1, 80, 150, -1, 80, 150], [80, 150, -1, 80, 90, 100, 110]), 0.5, likely=[
        (1.0, "One won and two lost against one lost: -1 against -1. You may have looked at the points won only."),
        (0.0, "One won and two lost against one lost: -1 against -1. You may have looked at the points lost only.")])


@comparing.case("any clips, with balls at and beside the borders")
def _(fn):
    def draw(rng):
        columns = (-1, -1, 0, 4, 11, 12, 13, 80, 147, 148, 149)
        return tuple(torch.tensor([rng.one_of(columns) for _ in range(rng.length())]) for _ in range(2))

    agrees(fn, compare_clips, draw, read=float,
           otherwise="Count the runs of frames with 0 <= column < 12 (won) and with column >= 148 (lost) in each clip.")


# ---------------------------------------------------------------------------------------------------------------- 07.3

moments = exercise(
    "07.3", title="Running standardization", function="merge_moments", points=2, kind="implement",
    difficulty=3, importance=3, minutes=15, reference="checks:merge_moments",
    hints=("Two sets of numbers, each with its size, mean and variance. What are size and mean of both together?",
           "The mean of the whole is the old one, moved towards the new set's by its share of the numbers. The variance of the whole "
           "is more than the weighted mean of both: the two means differ too.",
           "With share = n / (count + n) and step = rewards.mean() - mean: the two variances are weighed with 1 - share and share, and "
           "share * (1 - share) * step**2 comes on top."))


def merge_moments(count: float, mean: float, variance: float, rewards: Tensor) -> tuple[float, float, float]:
    """(count, mean, variance) of the numbers seen before and `rewards` together. Variances divide by n.

    T. Chan, G. Golub and R. LeVeque (1983), "Algorithms for computing the sample variance", equation 2.1.
    """
    rewards = rewards.double()
    n, own_mean, own_variance = rewards.numel(), float(rewards.mean()), float(rewards.var(unbiased=False))
    if count == 0:
        return n, own_mean, own_variance
    share, step = n / (count + n), own_mean - mean
    return count + n, mean + share * step, (1 - share) * variance + share * own_variance + share * (1 - share) * step ** 2


def _triple(fn, *args):
    got = fn(*args)
    if not isinstance(got, tuple | list) or len(got) != 3:
        raise Fail(expected="three numbers: (count, mean, variance)", got=type(got).__name__,
                   mistake="Return count, mean and variance of all numbers so far, so that the caller can go on with them.")
    return tuple(float(value) for value in got)


@moments.case("nothing seen before: the rollout's own")
def _(fn):
    for empty in (0.0, float("nan")):
        count, mean, variance = _triple(fn, 0, empty, empty, torch.tensor([[1.0, 3.0], [5.0, 7.0]]))
        close(count, 4.0, call="count after four numbers", likely=[(2.0, "Count all numbers of the rollout, not its rows: numel().")])
        close(mean, 4.0, call="mean of 1, 3, 5, 7", likely=[
            (float("nan"), "With count 0 nothing was seen: whatever stands in mean and variance, nan too, must not matter.")])
        close(variance, 5.0, call="variance of 1, 3, 5, 7", likely=[
            (20 / 3, "This divides by n - 1. Divide by n: `var(unbiased=False)`."),
            (5 ** 0.5, "This is the standard deviation; the variance is its square."),
            (float("nan"), "With count 0 nothing was seen: whatever stands in mean and variance, nan too, must not matter.")])


@moments.case("two rollouts, one after the other, are as good as both at once")
def _(fn):
    first, second = torch.tensor([0.0, 2.0]), torch.tensor([10.0, 10.0, 10.0, 14.0, 16.0, 18.0])
    whole = torch.cat([first, second])
    count, mean, variance = _triple(fn, 2, 1.0, 1.0, second)
    close(count, 8.0, call="count of 2 numbers and 6 more", likely=[(6.0, "The numbers seen before count too.")])
    close(mean, float(whole.mean()), call="mean of 0, 2 and then 10, 10, 10, 14, 16, 18", likely=[
        (7.0, "This is the middle of the two means. The second rollout has three times as many numbers and counts three times as much."),
        (13.0, "This is the second rollout's own mean: the numbers seen before count too.")])
    own = float(second.var(unbiased=False))
    close(variance, float(whole.var(unbiased=False)), call="variance of 0, 2 and then 10, 10, 10, 14, 16, 18", likely=[
        (0.25 + 0.75 * own, "The weighted mean of the two variances forgets that the two *means* differ: 1 and 13. Add share * (1 - share) * "
                            "(difference of the means)²."),
        (own, "This is the second rollout's own variance: the numbers seen before count too."),
        (float(whole.var()), "This divides by n - 1. Divide by n.")])


@moments.case("many small rollouts, whatever their sizes")
def _(fn):
    numbers = torch.randn(60, generator=torch.Generator().manual_seed(0)) * 3 + 1
    state = (0, 0.0, 0.0)
    for piece in numbers.split([1, 9, 20, 5, 25]):
        state = _triple(fn, *state, piece)
    close(torch.tensor(state), torch.tensor([60.0, float(numbers.mean()), float(numbers.var(unbiased=False))]), rtol=1e-3,
          call="60 numbers in five pieces", otherwise="In pieces of different sizes it must come out as for all 60 numbers at once.")


@moments.case("far from zero: no digits are lost")
def _(fn):
    numbers = torch.tensor([1.0, 3.0, 5.0, 7.0], dtype=torch.float64) + 1e8
    state = _triple(fn, 0, 0.0, 0.0, numbers[:2])
    _, _, variance = _triple(fn, *state, numbers[2:])
    close(variance, 5.0, rtol=0.01, call="variance of 1e8 + (1, 3, 5, 7), in two pieces",
          otherwise="The mean of squares minus the square of the mean subtracts two huge numbers, and the small difference is lost in "
                    "rounding. Work with differences from the means.")


@moments.case("any moments, any rewards")
def _(fn):
    def draw(rng):
        rewards = rng.normal(*rng.shape(1, 3), scale=3) + rng.one_of((0.0, 5.0))
        if rng.chance(0.25):
            return 0, rng.one_of((0.0, 7.0, float("nan"))), rng.one_of((0.0, 2.0, float("nan"))), rewards
        return rng.whole(1, 20), rng.number(-5, 5), rng.number(0, 6), rewards

    agrees(fn, merge_moments, draw, read=lambda got: tuple(float(value) for value in got), names=("count", "mean", "variance"))


# ---------------------------------------------------------------------------------------------------------------- 07.4

gone = exercise(
    "07.4", title="The ball is gone", function="ball_gone", points=2, kind="implement",
    difficulty=2, importance=2, minutes=15, reference="checks:ball_gone",
    hints=("When is a rally over? The ball was there before the step, and then it is not there, for a while.",
           "Look at step t: seen[t] says what was on the screen before it, and seen[t + 1], seen[t + 2] and seen[t + 3] what came after. A ball that "
           "flickers for one frame is not gone.",
           "Append patience - 1 rows of False to `seen`, as `later`. Then later[1 + k : 1 + k + T], for k = 0 .. patience - 1, are the observations "
           "that must all be without a ball."))


def ball_gone(seen: Tensor, patience: int = 3) -> Tensor:
    """Where a rally ended: (T + 1, N) bool, the ball is on the screen before each step and at the end -> (T, N) bool."""
    steps = len(seen) - 1
    later = torch.cat([seen, torch.zeros_like(seen[:1]).expand(patience - 1, -1)])
    back = torch.stack([later[1 + k:1 + k + steps] for k in range(patience)]).any(dim=0)
    return seen[:-1] & ~back


def _marks(*games):
    """Marks of the steps of each game, as (T, N) bool."""
    return torch.tensor(games, dtype=torch.bool).T


def _steps(fn, *columns, patience=3):
    seen = torch.tensor(columns, dtype=torch.bool).T                                # (T + 1, N)
    got = fn(seen, patience)
    shape_is(got, (len(seen) - 1, len(columns)), mistake="One answer for each step: T + 1 observations have T steps between them.")
    return got


@gone.case("a rally ends at one step, and only there")
def _(fn):
    close(_steps(fn, [1, 1, 1, 0, 0, 0, 0, 1]), _marks([0, 0, 1, 0, 0, 0, 0]), likely=[
        (_marks([0, 0, 0, 1, 0, 0, 0]), "One step late: the ball left with step 2, after which it is not seen. The boundary belongs "
                                  "to the step with which the ball goes."),
        (_marks([0, 0, 0, 0, 0, 1, 0]), "This is the step at which one can be sure. The rally ended where the ball was last seen."),
        (_marks([0, 0, 1, 1, 1, 1, 1]), "Every step without a ball is marked. Only the one that made it leave is the end of a rally."),
        (_marks([0, 0, 0, 0, 0, 0, 1]), "This is where the ball comes back: the next serve.")])


@gone.case("a flicker is no end")
def _(fn):
    close(_steps(fn, [1, 1, 0, 1, 1, 0, 0, 1, 1]), _marks([0] * 8), likely=[
        (_marks([0, 1, 0, 0, 1, 0, 0, 0]), "The ball is unseen for one or two observations only and comes back: it flickered. Wait for `patience` "
                                     "observations without it."),
        (_marks([0, 0, 0, 0, 1, 0, 0, 0]), "Two observations without the ball are fewer than `patience` = 3.")])


@gone.case("the patience is the caller's choice")
def _(fn):
    close(_steps(fn, [1, 1, 0, 1, 1, 0, 0, 1, 1], patience=1), _marks([0, 1, 0, 0, 1, 0, 0, 0]),
          otherwise="With patience 1 a single observation without the ball is an end.")


@gone.case("at the edge of the rollout only what can be seen counts")
def _(fn):
    close(_steps(fn, [1, 1, 1, 1, 0], [1, 1, 1, 0, 0]), _marks([0, 0, 0, 1], [0, 0, 1, 0]), likely=[
        (_marks([0, 0, 0, 0], [0, 0, 0, 0]), "The last steps cannot be followed for three observations. Those that the rollout does not have "
                                       "count as observations without a ball.")])


@gone.case("several games, each for itself; no ball, no end")
def _(fn):
    close(_steps(fn, [1, 0, 0, 0, 0, 1], [0, 0, 0, 0, 1, 1], [1, 1, 1, 1, 1, 1]), _marks([1, 0, 0, 0, 0], [0] * 5, [0] * 5),
          otherwise="Each column is a game of its own, and where no ball was seen none can leave.")


@gone.case("any play, any patience")
def _(fn):
    def draw(rng):
        seen = rng.flags(rng.length() + rng.one_of((1, 4)), rng.length(1, 3), p=rng.one_of((0.3, 0.5, 0.8)))
        return (seen, rng.whole(1, 4)) if rng.chance(0.6) else (seen,)

    agrees(fn, ball_gone, draw, otherwise="A rally ends with step t where seen[t] is True and none of seen[t + 1] to seen[t + patience] is.")


# ---------------------------------------------------------------------------------------------------------------- 07.5

flips = exercise(
    "07.5", title="Find the silent bug: flipped labels", function="targets_of", points=2, kind="bug",
    difficulty=2, importance=3, minutes=10, reference="checks:targets_of",
    hints=("Every line is right for a labeler who never skips. What if the second pair is skipped?",
           "After the list of choices became shorter, which flip stands beside which choice?",
           "Walk through choices and flips together, and leave out the skipped ones in that same walk."))

MU = {"left": 1.0, "right": 0.0, "equal": 0.5}


def targets_of(choices: list[str], flips: list[bool]) -> list[float]:
    """mu of every pair that was not skipped, in order: choices are sides of the screen, a flipped pair stood swapped."""
    return [1 - MU[choice] if flip else MU[choice]
            for choice, flip in zip(choices, flips, strict=True) if choice != "skip"]


@flips.case("nobody skips: left and right become clip 1 and clip 2", given=True)
def _(fn):
    close(fn(["left", "right", "left", "right", "equal"], [False, False, True, True, True]), [1.0, 0.0, 0.0, 1.0, 0.5], likely=[
        ([1.0, 0.0, 1.0, 0.0, 0.5], "Sides were taken for clips: where flip is True the first clip stood on the *right*."),
        ([0.0, 1.0, 1.0, 0.0, 0.5], "The wrong way round: the pairs with flip False are as they are, those with flip True are swapped."),
        ([1.0, 0.0, 0.0, 0.0, 0.5], "Only \"left\" was converted in flipped pairs; \"right\" must be too.")])


@flips.case("after a skip each label still has its own flip")
def _(fn):
    choices, flip = ["left", "skip", "left", "right", "left"], [False, True, False, True, True]
    close(fn(choices, flip), [1.0, 1.0, 1.0, 0.0], likely=[
        ([1.0, 0.0, 0.0, 0.0], "The second label got the flip of the pair that was skipped, and every later one the flip of its neighbour: about "
                               "half of them are reversed, and nothing crashes."),
        ([1.0, 0.5, 1.0, 1.0, 0.0], "A skipped pair has no label. 0.5 would say that the two clips are equally good, which nobody said."),
        ([1.0, 0.0, 1.0, 1.0, 0.0], "A skipped pair has no label: leave it out.")],
        otherwise="Four labels, one for each pair that was not skipped, each with its own flip.")


@flips.case("many pairs, many skips")
def _(fn):
    draw = torch.Generator().manual_seed(0)
    words = ("left", "right", "equal", "skip")
    choices = [words[k] for k in torch.randint(4, (40,), generator=draw)]
    flip = [bool(k) for k in torch.randint(2, (40,), generator=draw)]
    close(fn(choices, flip), targets_of(choices, flip), otherwise="Each label has the flip of its own pair, and skipped pairs are left out.")


@flips.case("all skipped", given=True)
def _(fn):
    got = fn(["skip", "skip"], [True, False])
    if got is None or len(got):
        raise Fail(expected="an empty list", got=repr(got), mistake="Every pair was skipped, so there are no labels at all.")


@flips.case("any choices, any flips")
def _(fn):
    def draw(rng):
        count = rng.length() + 1
        return [rng.one_of(("left", "right", "equal", "skip")) for _ in range(count)], [rng.chance() for _ in range(count)]

    def neighbours(choices, flip):
        judged = [choice for choice in choices if choice != "skip"]
        return [1 - MU[choice] if turned else MU[choice] for choice, turned in zip(judged, flip, strict=False)]

    agrees(fn, targets_of, draw, read=lambda got: [float(mu) for mu in got], likely=[
        (neighbours, "After a skip each label gets the flip of its neighbour.")])


# ---------------------------------------------------------------------------------------------------------------- 07.6

disputed = exercise(
    "07.6", title="Pairs by disagreement, and no clip twice", function="disputed_pairs", points=2, kind="implement",
    difficulty=3, importance=2, minutes=15, reference="checks:disputed_pairs",
    hints=("Lesson 04 chose among given pairs. Here every two clips can be a pair: first compute the disagreement about each possible pair.",
           "p[k, i, j] = sigmoid(returns[k, i] - returns[k, j]) is member k's prediction that clip i is preferred to clip j; its std over the members is a "
           "table. Go through the pairs from the largest disagreement on, and skip those with a clip that is taken.",
           "returns[:, :, None] - returns[:, None, :] holds all differences, (members, clips, clips), and torch.triu_indices(M, M, 1) names every "
           "pair once. Sort, walk, and keep a set of the clips that are taken."))


def disputed_pairs(returns: Tensor, count: int) -> list[tuple[int, int]]:
    """Up to `count` pairs (i, j), i < j, the largest disagreement first, each clip in one pair at most.

    returns: (members, clips), the return of each clip as predicted by each member of the ensemble.
    """
    clips = returns.shape[1]
    std = torch.sigmoid(returns[:, :, None] - returns[:, None, :]).std(dim=0)    # (clips, clips)
    i, j = torch.triu_indices(clips, clips, 1)
    used, pairs = set(), []
    for k in std[i, j].argsort(descending=True).tolist():
        pair = int(i[k]), int(j[k])
        if len(pairs) < count and used.isdisjoint(pair):
            pairs.append(pair)
            used.update(pair)
    return pairs


def _pairs(fn, returns, count):
    got = fn(torch.tensor(returns), count)
    try:
        got = [(int(i), int(j)) for i, j in got]
    except (TypeError, ValueError):
        raise Fail(expected=f"a list of up to {count} pairs (i, j)", got=repr(got)[:80],
                   mistake="A list of pairs of whole numbers is wanted: the positions of two clips each.") from None
    if any(i == j for i, j in got):
        raise Fail(expected="two different clips in each pair", got=repr(got)[:80], mistake="A clip is compared with itself.")
    return got


def _sorted(pairs):
    return [tuple(sorted(pair)) for pair in pairs]


CONTRARY = [[2.0, 0.0, 0.3, 0.0], [-2.0, 0.0, -0.3, 0.1]]      # the members disagree about clip 0, a little about clip 2


@disputed.case("the largest disagreement among four clips")
def _(fn):
    got = _sorted(_pairs(fn, [[3.0, 0.0, 0.0, 0.0], [-3.0, 0.1, 5.0, 5.0]], 1))
    if got not in ([(0, 2)], [(0, 3)]):
        first = got[0] if got else ()
        raise Fail(expected="clip 0 with clip 2 or 3", got=repr(got), mistake=(
            "Here both members agree: you took the pair with the least disagreement." if 0 not in first else
            "The members disagree there too, but less: one prefers clip 0, and against clip 2 or 3 the other is most certain of the opposite."))


@disputed.case("no clip twice: one odd clip does not fill the whole batch")
def _(fn):
    got = _sorted(_pairs(fn, CONTRARY, 2))
    if len(got) == 2 and len({clip for pair in got for clip in pair}) < 4:
        raise Fail(expected="two pairs of four different clips", got=repr(got), mistake=(
            "A clip stands in both pairs. The pairs with the largest disagreement all hold the same odd clip, and the labeler would see it again "
            "and again. Skip pairs with a clip that is taken."))
    if got != [(0, 3), (1, 2)]:
        raise Fail(expected="[(0, 3), (1, 2)]", got=repr(got), mistake=(
            "Go through all pairs from the largest disagreement on: first (0, 3); then the largest among the clips that are left, (1, 2)."))


@disputed.case("sure of the winner by different margins: no disagreement")
def _(fn):
    got = _sorted(_pairs(fn, [[20.0, 8.0, 0.0, 0.2], [90.0, 9.0, 0.1, -0.3]], 1))
    if got == [(0, 1)] or got and 0 in got[0]:
        raise Fail(expected="[(2, 3)]", got=repr(got), mistake=(
            "All members are sure that clip 0 wins and differ only in by how much. Compare the probabilities, sigmoid(difference), not the "
            "differences."))
    if got != [(2, 3)]:
        raise Fail(expected="[(2, 3)]", got=repr(got), mistake="The members disagree about the winner of clips 2 and 3 only.")


@disputed.case("more pairs are asked for than the clips allow")
def _(fn):
    got = _pairs(fn, CONTRARY, 9)
    if len(got) != 2:
        raise Fail(expected="2 pairs: four clips, each used once", got=f"{len(got)} pairs", mistake=(
            "Four clips make two pairs without using one twice. Give as many as there are."))


@disputed.case("any members, any clips")
def _(fn):
    def draw(rng):
        members, clips = rng.length(2, 4), rng.length(2, 5)
        i, j = torch.triu_indices(clips, clips, 1)
        while True:
            returns = rng.normal(members, clips, scale=2)
            spread = torch.sigmoid(returns[:, :, None] - returns[:, None, :]).std(dim=0)[i, j].sort().values
            if len(spread) == 1 or float((spread[1:] - spread[:-1]).min()) > 1e-3:         # no ties
                return returns, rng.whole(1, 3)

    agrees(fn, disputed_pairs, draw, read=lambda got: [sorted((int(i), int(j))) for i, j in got],
           otherwise="Take the pair with the largest standard deviation of sigmoid(difference), then the next without a clip that is taken.")


# ---------------------------------------------------------------------------------------------------------------- 07.7

predict = exercise(
    "07.7", title="Rewards without a zero", function="prediction", points=1, kind="predict",
    difficulty=2, importance=3, minutes=5, reference="checks:prediction",
    hints=("For GAE a rally ends where the ball is gone: no reward after it counts.",
           "If every step of a rally has the reward +1, has a long rally or a short one the larger return? And with -1?",
           "Standardizing removes whatever was added to all rewards, and whatever they were multiplied by."))

WORDS = ("longer rallies", "shorter rallies", "no difference")
WORLDS = ("+1 added to every step, not standardized", "-1 added to every step, not standardized",
          "+1 added to every step, then standardized", "every reward times 1000, then standardized")


def prediction() -> dict[str, str]:
    """How the rallies change when all rewards of a good reward model are changed in the same way."""
    return dict(zip(WORLDS, ("longer rallies", "shorter rallies", "no difference", "no difference"), strict=True))


def _predicted(fn, key):
    got = fn()
    if not isinstance(got, dict) or key not in got:
        raise Fail("prediction()", "a dict with the keys " + ", ".join(map(repr, WORLDS)), repr(got)[:80], f"The key {key!r} is missing.")
    if got[key] not in WORDS:
        raise Fail(f"prediction()[{key!r}]", " or ".join(map(repr, WORDS)), repr(got[key])[:80], "Choose one of the three answers.")
    return got[key]


@predict.case("+1 a step, not standardized")
def _(fn):
    if (got := _predicted(fn, WORLDS[0])) != "longer rallies":
        raise Fail(f"prediction()[{WORLDS[0]!r}]", "another answer", repr(got),
                   "Each further step of the rally adds 1 to the return, and what comes after its end does not count. Which rallies maximize the return?")


@predict.case("-1 a step, not standardized")
def _(fn):
    if (got := _predicted(fn, WORLDS[1])) != "shorter rallies":
        raise Fail(f"prediction()[{WORLDS[1]!r}]", "another answer", repr(got),
                   "Each further step of the rally subtracts 1, and after its end nothing counts. Losing the ball at once gives the largest return.")


@predict.case("standardized: a constant and a factor are removed")
def _(fn):
    for key in WORLDS[2:]:
        if (got := _predicted(fn, key)) != "no difference":
            raise Fail(f"prediction()[{key!r}]", "another answer", repr(got),
                       "Standardized rewards have mean 0 and a fixed standard deviation: what was added to all, or multiplied with all, is removed "
                       "before PPO sees the rewards.")

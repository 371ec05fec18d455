"""What the answers to lesson 06's exercises must do, and the course's own answers where the library has none."""

import numpy as np
import torch
from torch import Tensor

from course_lib.exercises import Fail, agrees, apart, close, exercise, shape_is

# ---------------------------------------------------------------------------------------------------------------- 06.1

skipping = exercise(
    "06.1", title="Frame-skip and max-pooling", function="frame_skip", points=2, kind="implement",
    difficulty=2, importance=2, minutes=20, reference="checks:frame_skip",
    hints=("Cut the frames into groups of `skip`. Which two of a group make the picture, and which of its rewards count?",
           "frames.reshape(T // skip, skip, H, W) has a group in each row; the last two of each are [:, -1] and [:, -2].",
           "np.maximum(a, b) takes the brighter one, pixel by pixel. The rewards are grouped in the same way, and added up over each group."))


def frame_skip(frames: np.ndarray, rewards: np.ndarray, skip: int) -> tuple[np.ndarray, np.ndarray]:
    """What an agent that acts every `skip` frames gets: (pictures (T // skip, H, W), rewards (T // skip,)).

    frames: (T, H, W) uint8, rewards: (T,); T is a multiple of `skip`, which is at least 2.
    """
    groups = frames.reshape(-1, skip, *frames.shape[1:])                    # (T // skip, skip, H, W)
    return np.maximum(groups[:, -1], groups[:, -2]), rewards.reshape(-1, skip).sum(axis=1)


def _two(fn, *args):
    got = fn(*args)
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise Fail(expected="two things: (pictures, rewards)", got=type(got).__name__,
                   mistake="Return the pictures and the rewards, one of each for each step of the agent.")
    return got


def _flat(values):
    """Frames of 1 x 2 pixels, each of one shade."""
    return np.repeat(np.array(values, dtype=np.uint8)[:, None, None], 2, axis=2)


SIX = [10, 80, 30, 20, 60, 50]                                              # shades of six frames


@skipping.case("six frames, skip 3: two pictures, each the brighter of the last two frames")
def _(fn):
    pictures, _ = _two(fn, _flat(SIX), np.zeros(6, dtype=np.float32), 3)
    shape_is(pictures, (2, 1, 2), mistake="Six frames at skip 3 are two steps of the agent: one picture for each.")
    if isinstance(pictures, np.ndarray) and pictures.dtype != np.uint8:
        raise Fail(expected="uint8 shades", got=str(pictures.dtype), mistake="A picture of shades stays uint8. The larger of two "
                   "shades is a shade; a mean or a sum is none.")
    close(pictures, _flat([80, 60]), likely=[
        (_flat([30, 50]), "Only the last frame was kept. What flickers and happens to be off in that frame is lost: take the larger of "
                          "the last two, pixel by pixel."),
        (_flat([10, 20]), "These are the first frames of each group. The agent should see what its action led to: the last ones."),
        (_flat([55, 55]), "This is the mean: what flickers would be half as bright. Take the larger, pixel by pixel."),
        (_flat([110, 110]), "This is the sum. Take the larger, pixel by pixel."),
        (_flat([80, 50]), "The second picture is wrong: it needs the last two frames of *its* group, 60 and 50."),
        (_flat([30, 60]), "The first picture is wrong: it needs the last two frames of its group, 80 and 30.")])


@skipping.case("only the last two count: what moved long ago leaves no trail")
def _(fn):
    frames = np.zeros((4, 1, 4), dtype=np.uint8)
    frames[np.arange(4), 0, np.arange(4)] = 200                             # a bright pixel that moves to the right
    pictures, _ = _two(fn, frames, np.zeros(4, dtype=np.float32), 4)
    close(pictures, np.array([[[0, 0, 200, 200]]], dtype=np.uint8), likely=[
        (np.full((1, 1, 4), 200, dtype=np.uint8), "All four frames were pooled: what moves is smeared along its whole way. Only the last two."),
        (np.array([[[0, 0, 0, 200]]], dtype=np.uint8), "Only the last frame was kept: take the larger of the last two, pixel by pixel."),
        (np.array([[[200, 200, 0, 0]]], dtype=np.uint8), "These are the first two frames of the group; the last two are wanted."),
        (np.array([[[200, 0, 0, 200]]], dtype=np.uint8), "You took the first and the last frame of the group; the last two are wanted.")],
        otherwise="The picture is the larger of the last two frames of the group, pixel by pixel.")


@skipping.case("bright shades do not overflow")
def _(fn):
    pictures, _ = _two(fn, _flat([0, 0, 200, 180]), np.zeros(4, dtype=np.float32), 4)
    close(pictures, _flat([200]), likely=[
        (_flat([(200 + 180) % 256]), "200 + 180 is 124 in uint8: sums overflow silently. Take the larger, np.maximum."),
        (_flat([190]), "This is the mean; what flickers would be half as bright. Take the larger, np.maximum.")])


@skipping.case("a point in a skipped frame still counts")
def _(fn):
    rewards = np.array([0.0, 1.0, 0.0, 0.0, 0.0, -1.0, -1.0, 0.0], dtype=np.float32)
    _, got = _two(fn, _flat(range(8)), rewards, 4)
    shape_is(got, (2,), mistake="Eight frames at skip 4 are two steps of the agent: one reward for each.")
    close(got, np.array([1.0, -2.0], dtype=np.float32), likely=[
        ([0.0, 0.0], "Only the last frame's reward was kept: the points came in frames that were skipped. Add up the group."),
        ([0.25, -0.5], "This is the mean: add the rewards up, a point is a point."),
        ([0.0, -1.0], "Only the last two frames' rewards were kept. Pooling is for pictures; rewards are added over the whole group."),
        ([1.0, 0.0], "Add the rewards of the group up; the largest hides what was lost.")])


@skipping.case("any frames, any rewards, any skip")
def _(fn):
    def draw(rng):
        steps, skip = rng.length(), rng.whole(2, 4)
        frames = rng.wholes(0, 255, steps * skip, rng.length(1, 3), rng.length(1, 3)).numpy().astype(np.uint8)
        return frames, rng.wholes(-1, 1, steps * skip).numpy().astype(np.float32), skip

    agrees(fn, frame_skip, draw, names=("the pictures", "the rewards"))


# ---------------------------------------------------------------------------------------------------------------- 06.2

cells = exercise(
    "06.2", title="From a screen to 80 x 40 cells", function="to_cells", points=3, kind="implement",
    difficulty=2, importance=3, minutes=15, reference="checks:to_cells",
    hints=("Three steps: cut off the score, take the sampled pixels, ask which differ from the empty court.",
           "court = screens[:, 34:194]. Sampled: every 2nd row and every 2nd column, court[:, ::2, ::2], which is (N, 80, 80). Two "
           "neighbouring columns make one cell.",
           "seen = court[:, ::2, ::2] != 87 is True and False. seen[:, :, ::2] holds the first of each two columns: what holds the other, and "
           "how are they joined?"))

EMPTY, THE_BALL = 87, 236                                                   # shades of the empty court and of the ball


def to_cells(screens: np.ndarray) -> np.ndarray:
    """Screens (N, 210, 160) uint8 -> cells of the court (N, 80, 40) uint8 of 0 and 1; the score is not used."""
    seen = screens[:, 34:194:2, ::2] != EMPTY                               # (N, 80, 80)
    return (seen[:, :, ::2] | seen[:, :, 1::2]).astype(np.uint8)            # (N, 80, 40)


def _screens(count=1):
    """Empty courts under a bright score and wall, and above a bright wall."""
    screens = np.full((count, 210, 160), EMPTY, dtype=np.uint8)
    screens[:, :34], screens[:, 194:] = THE_BALL, THE_BALL
    return screens


def _cells(fn, screens):
    got = fn(screens)
    if isinstance(got, np.ndarray) and got.ndim == 3 and got.shape[1] == 105:
        raise Fail(expected="shape (1, 80, 40)", got=f"shape {got.shape}", mistake="The rows with the score are still there: only rows 34 to "
                   "193 of the screen are court, 160 rows, 80 cells.")
    shape_is(got, (len(screens), 80, 40), mistake="80 rows and 40 columns of cells for each screen are wanted: 160 rows of court, two to a "
             "cell, and 160 columns, four to a cell.")
    if isinstance(got, np.ndarray) and got.dtype == bool:
        raise Fail(expected="uint8, 0 and 1", got="bool", mistake="Right idea; the network wants numbers: `.astype(np.uint8)`.")
    return got


@cells.case("an empty court: nothing, whatever the score shows")
def _(fn):
    nothing = np.zeros((1, 80, 40), dtype=np.uint8)
    score = nothing.copy()
    score[0, :17] = 1
    close(_cells(fn, _screens()), nothing, likely=[
        (np.ones_like(nothing), "Every cell is 1. The empty court is not black: its shade is 87."),
        (score, "The score and the upper wall are in the first rows: the court begins at row 34.")],
        otherwise="Score or walls got in: only rows 34 to 193 of the screen are court.")


@cells.case("the ball, wherever it is, sets two cells, one above the other")
def _(fn):
    for row, column in ((0, 0), (1, 1), (2, 2), (3, 3), (40, 42), (77, 81), (103, 62), (130, 95)):
        screens = _screens()
        screens[0, 34 + row:38 + row, column:column + 2] = THE_BALL        # the ball is 4 pixels high and 2 wide
        expected = to_cells(screens)
        got = _cells(fn, screens)
        set_cells = int((np.asarray(got) != 0).sum())
        where = f"to_cells of a court with the ball at row {row}, column {column}"
        if set_cells == 0:
            raise Fail(where, "two cells set", "none", "The ball was lost: it is 2 pixels wide and lies between the columns that you look "
                       "at. Look at every second column; two of them make a cell.")
        if set_cells == 3198:
            raise Fail(where, "two cells set", "all others", "The wrong way round: 1 is where something is.")
        if set_cells > 2:
            raise Fail(where, "two cells set", f"{set_cells} cells set", "The ball touches more cells than two. Look only at the first row of "
                       "each cell and at every second column: then its four rows fall into exactly two.")
        close(got, expected, call=where, otherwise="Another cell is set: the first cell begins with row 34 of the screen and column 0.")


@cells.case("paddles are things too")
def _(fn):
    screens = _screens()
    screens[0, 34 + 40:34 + 56, 16:20], screens[0, 34 + 80:34 + 96, 140:144] = 148, 147
    only_ball = np.zeros((1, 80, 40), dtype=np.uint8)
    close(_cells(fn, screens), to_cells(screens), likely=[
        (only_ball, "The paddles are missing: anything that differs from the empty court counts, not the ball's shade alone.")])


@cells.case("several screens at once")
def _(fn):
    screens = _screens(3)
    screens[1, 100:104, 60:62], screens[2, 150:166, 140:144] = THE_BALL, 147
    got = _cells(fn, screens)
    close(got, to_cells(screens), likely=[
        (np.broadcast_to(to_cells(screens).max(0), (3, 80, 40)), "The screens were mixed: each has cells of its own.")],
          otherwise="Each screen has cells of its own, made of rows 34 to 193.")


@cells.case("any pixels, of any shade, anywhere on the screen")
def _(fn):
    def draw(rng):
        screens = _screens(rng.length(1, 3))
        for _ in range(60):
            screens[rng.whole(0, len(screens) - 1), rng.whole(30, 198), rng.whole(0, 159)] = rng.one_of((0, 86, 88, 147, 255))
        return (screens,)

    agrees(fn, to_cells, draw, times=8, likely=[
        (lambda screens: (screens[:, 34:194].reshape(-1, 80, 2, 40, 4) != EMPTY).any((2, 4)).astype(np.uint8),
         "All eight pixels of a cell were looked at. Look only at its first row, and there at its columns 0 and 2."),
        (lambda screens: (screens[:, 34:194:2, ::2] > EMPTY).reshape(-1, 80, 40, 2).any(3).astype(np.uint8),
         "Things darker than the court were lost: compare with `!= 87`, not `> 87`."),
        (lambda screens: (screens[:, 34:194:2, ::4] != EMPTY).astype(np.uint8), "Only column 0 of each cell was looked at, not column 2.")],
        otherwise="A cell is 1 where one of two pixels of its first row, columns 0 and 2, has not the shade 87.")


# ---------------------------------------------------------------------------------------------------------------- 06.3

points = exercise(
    "06.3", title="Where does a point end?", function="point_boundaries", points=1, kind="implement",
    difficulty=1, importance=3, minutes=10, reference="checks:point_boundaries",
    hints=("In Pong a reward comes only when somebody scores. What is the reward when the other one does?",
           "A step is a boundary when its reward is not 0, or when the game ended with it.",
           "`!=` compares entry by entry, and `|` joins two tensors of truth values: either is enough."))


def point_boundaries(rewards: Tensor, ended: Tensor) -> Tensor:
    """(T, N) bool: a point was scored in this step, or the game ended with it. rewards: (T, N); ended: (T, N) bool."""
    return (rewards != 0) | ended


def _boundaries(fn, rewards, ended=None):
    rewards = torch.tensor(rewards)
    return fn(rewards, torch.zeros_like(rewards, dtype=torch.bool) if ended is None else torch.tensor(ended))


POINTS = [[0.0, 0.0], [1.0, 0.0], [0.0, 0.0], [0.0, -1.0], [0.0, 0.0]]
SCORED = torch.tensor(POINTS) != 0


@points.case("a point won, a point lost")
def _(fn):
    got = _boundaries(fn, POINTS)
    shape_is(got, (5, 2), mistake="One truth value for each step and game is wanted, in the shape of the rewards.")
    if isinstance(got, torch.Tensor) and got.dtype != torch.bool:
        raise Fail(expected="True and False", got=str(got.dtype).removeprefix("torch."), mistake="Truth values are wanted: compare, "
                   "`rewards != 0`.")
    before, after = torch.roll(SCORED, -1, 0), torch.roll(SCORED, 1, 0)
    close(got, SCORED, likely=[
        (torch.tensor(POINTS) > 0, "The lost point is no boundary here: its reward is -1. Without it, the next points flow back "
                                   "through it into this rally."),
        (torch.tensor(POINTS) < 0, "The point won is no boundary here. Both kinds of points end a rally."),
        (before, "One step early: the boundary lies *after* the step in which the point was scored, so that its reward still counts."),
        (after, "One step late: then the first step of the next rally still belongs to this one."),
        (~SCORED, "The wrong way round: True where something ends."),
        (torch.zeros_like(SCORED), "No boundary at all: look where the reward is not 0.")])


@points.case("the end of a game without a point")
def _(fn):
    ended = [[False, False], [False, False], [True, False], [False, False], [False, True]]
    expected = SCORED | torch.tensor(ended)
    close(_boundaries(fn, POINTS, ended), expected, likely=[
        (SCORED, "A game ended here (truncated by the time limit) without a point: what follows belongs to another game. `ended` counts too."),
        (torch.tensor(ended), "Points do not count any more: True where a point was scored *or* the game ended."),
        (SCORED & torch.tensor(ended), "Either is enough: `|`, not `&`.")])


@points.case("the last point of a game: both at once")
def _(fn):
    close(_boundaries(fn, [[0.0], [-1.0]], [[False], [True]]), torch.tensor([[False], [True]]), likely=[
        (torch.tensor([[False], [False]]), "Here the point ends the game too, and still it is a boundary: `|`, not `^`.")])


@points.case("any play")
def _(fn):
    def draw(rng):
        shape = rng.length(), rng.length()
        return rng.among([0.0, 0.0, 1.0, -1.0], *shape), rng.flags(*shape, p=0.3)

    agrees(fn, point_boundaries, draw)


# ---------------------------------------------------------------------------------------------------------------- 06.4

slip = exercise(
    "06.4", title="Find the silent bug: a time penalty", function="advantages_in_a_hurry", points=2, kind="bug",
    difficulty=3, importance=2, minutes=15, reference="checks:advantages_in_a_hurry",
    hints=("With cost = 0 all is well. Print `boundary` for a rally of five steps, with and without a cost.",
           "With a cost no reward is 0 any more. At which steps does the faulty program see the end of a rally?",
           "Where events are must be read off the rewards as the game gave them, before anything is subtracted."))


def advantages_in_a_hurry(rewards: Tensor, values: Tensor, ended: Tensor, last_value: Tensor, gamma: float, lam: float,
                          cost: float) -> Tensor:
    """GAE with a boundary at each point, where each step costs a little. All (T, N); last_value (N,)."""
    return _cut_after((rewards != 0) | ended, (rewards, values, ended, last_value), gamma, lam, cost)


def _cut_after(boundary, play, gamma, lam, cost):
    """GAE with a cost of each step and with boundaries after the steps given."""
    rewards, values, _, last_value = play
    nonterminal = 1.0 - boundary.float()
    next_values = torch.cat([values[1:], last_value[None]])
    deltas = rewards - cost + gamma * nonterminal * next_values - values
    advantages, next_advantage = torch.empty_like(deltas), torch.zeros_like(last_value)
    for t in reversed(range(len(rewards))):
        advantages[t] = deltas[t] + gamma * lam * nonterminal[t] * next_advantage
        next_advantage = advantages[t]
    return advantages


def _every_step_an_end(rewards, values, ended, last_value, gamma, lam, cost):
    return rewards - cost - values


def _random_play(T=40, N=3, seed=0):
    rng = torch.Generator().manual_seed(seed)
    draw = torch.rand(T, N, generator=rng)
    rewards = (draw < 0.05).float() - (draw > 0.92).float()
    ended = torch.rand(T, N, generator=rng) < 0.02
    return rewards, torch.randn(T, N, generator=rng) / 2, ended, torch.randn(N, generator=rng)


def _compare_hurry(fn, play, gamma, lam, cost):
    rewards, _, ended, _ = play
    none = torch.zeros_like(ended)
    right = advantages_in_a_hurry(*play, gamma, lam, cost)
    close(fn(*play, gamma, lam, cost), right, likely=apart(right, [
        (_every_step_an_end(*play, gamma, lam, cost), "Every step is taken for the end of a rally: after the cost no reward is 0 any more. "
         "So lam does nothing, and no step bootstraps from the next value estimate. From which rewards should `boundary` be taken?"),
        (advantages_in_a_hurry(*play, gamma, lam, 0.0), "The boundaries are right, but the cost is gone: each step's reward is `cost` less."),
        (_cut_after((rewards > 0) | ended, play, gamma, lam, cost), "A lost point is no boundary now. Points lost end a rally too."),
        (_cut_after(ended, play, gamma, lam, cost), "Points are no boundaries any more: rallies run into each other."),
        *([(_cut_after(none, play, gamma, lam, cost), "Nothing is a boundary now: rallies and games run into each other.")]
          if ended.any() else []),
        (_cut_after(rewards != 0, play, gamma, lam, cost), "Ends of games without a point are no boundaries now: `ended` counts too.")]),
        otherwise="The wrong line is the one that says where rallies end; the others were right.")


@slip.case("no cost: as before", given=True)
def _(fn):
    play = _random_play(seed=1)
    close(fn(*play, 0.99, 0.98, 0.0), advantages_in_a_hurry(*play, 0.99, 0.98, 0.0),
          otherwise="This case was right before: another line was changed. Only the line that says where rallies end is wrong.")


@slip.case("a cost, and one rally of four steps that is won")
def _(fn):
    rewards = torch.tensor([[0.0], [0.0], [0.0], [1.0], [0.0]])
    play = rewards, torch.zeros(5, 1), torch.zeros(5, 1, dtype=torch.bool), torch.tensor([0.5])
    _compare_hurry(fn, play, 0.9, 0.8, 0.01)


@slip.case("a cost, several games with points won, points lost and a truncated game")
def _(fn):
    _compare_hurry(fn, _random_play(seed=2), 0.99, 0.98, 0.02)


@slip.case("any play, any cost")
def _(fn):
    def draw(rng):
        steps, games = rng.length(), rng.length()
        return (rng.among([0.0, 0.0, 1.0, -1.0], steps, games), rng.normal(steps, games), rng.ends(steps, games), rng.normal(games),
                rng.one_of((0.5, 0.9, 0.99)), rng.one_of((0.0, 0.5, 0.98, 1.0)), rng.one_of((0.01, 0.1)))

    agrees(fn, advantages_in_a_hurry, draw, likely=[
        (_every_step_an_end, "Every step is taken for the end of a rally: after the cost no reward is 0 any more.")],
        otherwise="The line that is at fault says where rallies end; the other lines were right.")


# ---------------------------------------------------------------------------------------------------------------- 06.5

credit = exercise(
    "06.5", title="How much of a point reaches the paddle hit?", function="prediction", points=1, kind="predict",
    difficulty=2, importance=2, minutes=10, reference="checks:prediction",
    hints=("With value estimates of 0, a reward is discounted by the same factor for each step that it lies ahead. Which factor?",
           "After k steps (gamma * lambda)^k is left. For the last line: for which k is it 1/2?",
           "0.9405^30, 0.9702^30, 0.99^30, and log(1/2) / log(0.9702)."))

ASKED = ("lambda 0.95: left after 30 steps", "lambda 0.98: left after 30 steps", "lambda 1: left after 30 steps",
         "lambda 0.98: steps until half is left")


def prediction() -> dict[str, float]:
    """What is left of a point, gamma 0.99."""
    return {ASKED[0]: 0.16, ASKED[1]: 0.40, ASKED[2]: 0.74, ASKED[3]: 23}


def _predicted(fn, key):
    got = fn()
    if not isinstance(got, dict) or key not in got:
        raise Fail("prediction()", "a dict with the keys " + ", ".join(map(repr, ASKED)), repr(got)[:80], f"The key {key!r} is missing.")
    if isinstance(got[key], bool) or not isinstance(got[key], int | float):
        raise Fail(f"prediction()[{key!r}]", "a number", repr(got[key])[:80], "Put a number in place of the dots.")
    return float(got[key])


def _near(fn, key, right, tolerance, likely):
    got = _predicted(fn, key)
    if abs(got - right) <= tolerance:
        return
    for value, message in likely:
        if abs(got - value) <= tolerance:
            raise Fail(f"prediction()[{key!r}]", "another number", f"{got:g}", message)
    way = "less" if got > right else "more"
    raise Fail(f"prediction()[{key!r}]", "another number", f"{got:g}", f"It is {way} than that.")


@credit.case("lambda 0.95, as in most programs")
def _(fn):
    _near(fn, ASKED[0], (0.99 * 0.95)**30, 0.025, [
        (0.95**30, "This is 0.95^30: gamma discounts it too, 0.99 a step."),
        (0.99**30, "This is 0.99^30: lambda discounts it too, 0.95 a step."),
        (0.99 * 0.95, "This is what is left after one step; it is discounted again at each of the thirty.")])


@credit.case("lambda 0.98")
def _(fn):
    _near(fn, ASKED[1], (0.99 * 0.98)**30, 0.025, [
        (0.98**30, "This is 0.98^30: gamma discounts it too, 0.99 a step."),
        (0.99 * 0.98, "This is what is left after one step; it is discounted again at each of the thirty.")])


@credit.case("lambda 1: only gamma is left")
def _(fn):
    _near(fn, ASKED[2], 0.99**30, 0.025, [
        (1.0, "Lambda 1 discounts nothing, but gamma still discounts what lies ahead."),
        (0.99, "This is what is left after one step; it is discounted again at each of the thirty.")])


@credit.case("the half-life at lambda 0.98")
def _(fn):
    _near(fn, ASKED[3], 22.9, 1.5, [
        (34.3, "This is the half-life of 0.98^k; gamma discounts it too."), (69.0, "This is the half-life of 0.99^k; lambda discounts it too."),
        (11.3, "This is the half-life at lambda 0.95."), (15.0, "Half of thirty steps is not half of what is left: 0.9702^15 is 0.64.")])


# ---------------------------------------------------------------------------------------------------------------- 06.6

past = exercise(
    "06.6", title="Find the silent bug: a new game has no past", function="with_the_look_before", points=2, kind="bug",
    difficulty=2, importance=2, minutes=15, reference="checks:with_the_look_before",
    hints=("Within one game all is well. Take two games of two steps each and write down which frame belongs to which game.",
           "ended[t] is True *after* step t. Which is then the first frame of the next game: looks[t] or looks[t + 1]?",
           "A frame is the first of its game at t = 0, and wherever ended[t - 1] is True: `ended`, moved by one step, with True in front."))


def with_the_look_before(looks: Tensor, ended: Tensor) -> Tensor:
    """Observations (T, N, 2, H, W): each frame and the one before it, the newer first; a game's first frame twice.

    looks: (T, N, H, W), what is on the screen before each step; ended: (T, N) bool, the game ended with this step.
    """
    first = torch.cat([torch.ones_like(ended[:1]), ended[:-1]])             # (T, N) no frame before it in this game
    before = torch.cat([looks[:1], looks[:-1]])
    before = torch.where(first[..., None, None], looks, before)
    return torch.stack([looks, before], dim=2)


def _with(looks, first):
    before = torch.where(first[..., None, None], looks, torch.cat([looks[:1], looks[:-1]]))
    return torch.stack([looks, before], dim=2)


def _looks(T, N):
    """Frames of 1 x 2 cells that say where they belong: 10 * step + game."""
    return (10 * torch.arange(T)[:, None] + torch.arange(N)).float()[..., None, None].expand(T, N, 1, 2).clone()


def _compare_looks(fn, ended):
    ended = torch.tensor(ended)
    looks = _looks(*ended.shape)
    got = fn(looks, ended)
    shape_is(got, (*ended.shape, 2, 1, 2), mistake="Two frames for each step and game are wanted: (T, N, 2, H, W).")
    right = with_the_look_before(looks, ended)
    close(got, right, likely=apart(right, [
        (_with(looks, ended), "Shifted by one: the frame *before* the last step of a game lost its past, and the first frame of the new game is "
         "paired with the old game's last. ended[t] is True after step t: whose first frame comes next?"),
        (_with(looks, torch.zeros_like(ended)), "The ends of games change nothing now: the first frame of a new game is paired with the last of "
         "the old one, and the ball seems to jump across the court."),
        (_with(looks, torch.ones_like(ended)), "Every frame is paired with itself now: nothing moves any more."),
        (right.flip(2), "The newer frame comes first.")]),
        otherwise="Look at the steps around an end; within a game it was right.")


@past.case("one game that goes on", given=True)
def _(fn):
    ended = torch.zeros(4, 1, dtype=torch.bool)
    close(fn(_looks(4, 1), ended), with_the_look_before(_looks(4, 1), ended),
          otherwise="This case was right before: another line was changed. Only the ends of games are wrong.")


@past.case("a game that ends in the middle")
def _(fn):
    _compare_looks(fn, [[False], [True], [False], [False]])


@past.case("two games, one of them ends twice")
def _(fn):
    _compare_looks(fn, [[False, False], [True, False], [False, False], [True, True], [False, False]])


@past.case("the rollout ends with the game")
def _(fn):
    _compare_looks(fn, [[False], [False], [True]])


@past.case("any games")
def _(fn):
    def draw(rng):
        steps, games = rng.length(), rng.length(1, 3)
        return rng.normal(steps, games, rng.length(1, 2), rng.length(1, 2)), rng.ends(steps, games)

    agrees(fn, with_the_look_before, draw, otherwise="Look at the steps around an end; within a game it was right.")

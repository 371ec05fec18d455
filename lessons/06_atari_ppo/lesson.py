# %% [markdown]
# # Lesson 06. Pong from its score
#
# **Goals.** Turn a game console into an environment from which a small network can learn: frames and frame-skip,
# flicker, what the agent must not see, many games at once, observations of 80 × 40 cells in place of 84 × 84 greys.
# Tell PPO where a point ends. Train Pong on a laptop's processor while you watch, and evaluate the agent without
# fooling yourself.
#
# **Time.** About 55 minutes to read and run, 85 minutes for the exercises; the essential part takes 80 minutes in all.
# The cells use about three CPU-minutes. **Builds on** lesson 02: its two functions, GAE and the clipped objective,
# train the agent here.

# %%
import time
from dataclasses import replace
from importlib.metadata import metadata

import gymnasium as gym
import numpy as np
import torch
from torch import nn

from course_lib import budget, expect, mine
from course_lib.atari.games import PONG, emulators, in_colour
from course_lib.paths import my_work
from course_lib.show import atari_plots as plots
from course_lib.show import palette
from course_lib.show.figures import explore, show
from course_lib.show.video import side_by_side, video, video_html

palette.style()
torch.set_num_threads(1)

# %% [markdown]
# ## 6.1 The Arcade Learning Environment
#
# Here is what you will train in this lesson: an agent that plays Pong, on the right, from pixels. (This one was trained
# before, by the same code.)

# %%
from course_lib.atari.envs import film
from course_lib.atari.shipped import FROM_SCORE, load_shipped

video(film(load_shipped(FROM_SCORE).agent, steps=budget(full=90, ci=30)), fps=15, width=240,
      max_bytes=80_000, alt="Six seconds of Pong, played by the trained agent on the right.")

# %% [markdown]
# An Atari 2600 is a few chips from 1977 and a cartridge, and the cartridge's content, the **ROM**, is a file of a few
# thousand bytes. The package `ale-py`, the *Arcade Learning Environment* (**ALE**), holds an emulator of the chips and
# the ROMs of more than a hundred games, so there is nothing to download and nothing to sign.

# %%
import ale_py
from ale_py import roms

package = metadata("ale-py")
print(f"ale-py {package['Version']}: {len(roms.get_all_rom_ids())} ROMs, "
      f"licence of the package: {package['License-Expression']}")
expect("pong" in roms.get_all_rom_ids(), "Pong is among them")

# %% [markdown]
# (That is the licence which the package states for itself. The games were made by others; if you want to pass ROMs on
# in some other way than with this package, ask a lawyer.)
#
# A **frame** is what the emulator draws 60 times a second: 210 rows of 160 pixels. In shades of grey it is an array of
# bytes.

# %%
console = emulators(PONG, 1, frameskip=1, noop_max=0)
console.reset(seed=0)
for _ in range(200):
    screen = console.step(np.array([2]))[0][0, 0]          # "up" held; (210, 160) uint8
print(screen.shape, screen.dtype, "shades:", np.unique(screen).tolist())

# %%
court = screen[PONG.court]                                 # rows 34 to 193
row, column = np.argwhere(court == 236)[0]                 # the ball's shade
marks = {"the score": (40, 10, 200, 10), "a wall": (80, 28, 200, 40),
         "the ball": (column + 2, row + 36, 200, 110), "our paddle": (142, 34 + 8, 200, 75),
         "their paddle": (17, 34 + np.argmax(court[:, 17] == 148) + 8, -30, 60)}
title = "One frame of Pong; play is between the dashed lines"
show(plots.named_screen(screen, marks, (34, 194), title),
     alt="A grey screen of Pong. Above, two digits and a wall; below it the court with a ball "
         "and two paddles, ours at the right. Dashed lines mark rows 34 and 194.")

# %% [markdown]
# Two paddles, a ball, two digits. We play on the right; the left one is the game's own program. Whoever misses the ball
# gives the other a point, and 21 points win the game. So the **return** of a game lies between −21 and +21, and a
# random policy loses nearly every point. Of the console's buttons three matter: stay, up, down.
#
# ## 6.2 Frame-skip and max-pooling
#
# Nobody decides 60 times a second. The agent observes every fourth frame, and its action is repeated in between: this
# is **frame-skip** (action repeat). Before you see what it does to the ball, an older trap.
#
# > **Predict.** Here are four frames in a row of another game, Asteroids. What will you see in the third?

# %%
def frames_of(game, count, first=40):
    """Frames in a row, (count, 210, 160), no button pressed."""
    console = emulators(replace(PONG, name=game), 1, frameskip=1, noop_max=0)
    console.reset(seed=0)
    frames = [console.step(np.array([0]))[0][0, 0].copy() for _ in range(first + count)]
    console.close()
    return np.stack(frames[first:])

asteroids, pong = frames_of("asteroids", 120), frames_of("pong", 120, first=100)
show(plots.pictures({f"frame {n}": asteroids[60 + n] for n in range(4)},
                    "Asteroids draws its rocks in one frame and the ship in the next"),
     alt="Four frames of Asteroids in a row: four rocks and no ship, a ship and no rocks, "
         "rocks, ship.")

# %% [markdown]
# On a television the two blend into one picture. An agent that observes every *fourth* frame would see the rocks and
# never the ship, or the other way round. The chip that draws has two sprites, two missiles and one ball; a game that
# needs more draws them in turns (**flicker**). Hence **max-pooling** over frames: each pixel is the brighter one of the
# last *two* frames.
#
# **Now do [exercise 06.1](../exercises/06_atari_ppo.ipynb)**, or go on with the course's function. How do we know that
# it is right? The emulator can skip and pool by itself. We repeat random actions for four frames each, and compare.

# %%
frame_skip = mine("06.1")

rng = np.random.default_rng(0)
slow = emulators(PONG, 1, frameskip=1, noop_max=0)
fast = emulators(PONG, 1, frameskip=4, maxpool=True, noop_max=0)
slow.reset(seed=0), fast.reset(seed=0)
frames, rewards, pictures, scores = [], [], [], []
for button in rng.choice(PONG.actions, budget(full=150, ci=75)):
    for _ in range(4):
        seen, reward, *_ = slow.step(np.array([button]))
        frames.append(seen[0, 0].copy()), rewards.append(reward[0])
    seen, reward, *_ = fast.step(np.array([button]))
    pictures.append(seen[0, 0].copy()), scores.append(reward[0])

ours, our_rewards = frame_skip(np.stack(frames), np.array(rewards), 4)
expect(np.array_equal(ours, np.stack(pictures)) and np.array_equal(our_rewards, scores),
       "your frame-skip gives what the emulator's own gives, pixel by pixel and point by point",
       measured=f"{len(pictures)} pictures, {np.count_nonzero(scores)} points")

# %%
def flicker(frames):
    """Pixels a frame that are one thing, then another, then the first again."""
    before, now, after = frames[:-2], frames[1:-1], frames[2:]
    return ((before == after) & (now != before)).sum(axis=(1, 2)).mean()

pooled, _ = frame_skip(asteroids[60:64], np.zeros(4), 4)
smeared, _ = frame_skip(pong[20:24], np.zeros(4), 4)
row, column = np.argwhere(pong[23, PONG.court] == 236)[0]
near = np.s_[row + 24:row + 50, max(0, column - 12):column + 14]     # round the ball
show(plots.pictures({"Asteroids, pooled": pooled[0], "Pong's ball, last frame": pong[23][near],
                     "Pong's ball, pooled": smeared[0][near]},
                    "Pooling brings Asteroids together; Pong it only smears"),
     alt="Asteroids pooled shows rocks and ship together. Pong's ball is sharp in the last "
         "frame and blurred when two frames are pooled.")
expect(flicker(asteroids) > 100 * flicker(pong), "Asteroids flickers, Pong hardly at all",
       ci=flicker(asteroids) > 20 * flicker(pong),
       measured=f"{flicker(asteroids):.0f} against {flicker(pong):.1f} pixels a frame")

# %% [markdown]
# Pong needs two sprites and a ball, just what the chip has, so nothing is drawn in turns. Its ball vanishes only where
# it dips into a wall for a frame. So we take the fourth frame alone, without pooling, and the ball stays sharp.
#
# > **Predict.** How far does the ball fly between two observations of the agent?

# %%
from course_lib.atari.synthetic_labelers import ball_across


def ball_down(court):
    """Row of the ball in frames (L, 160, 160), -1 where none is seen."""
    ball = (court == 236).any(axis=2)                      # (L, 160)
    return np.where(ball.any(axis=1), ball.argmax(axis=1), -1)

flight = pong[:72, PONG.court]                             # (72, 160, 160)
show(plots.ball_trail(ball_across(flight), ball_down(flight), 4,
                      "From observation to observation: 4 pixels across, and 4 or 8 down"),
     alt="The ball's path over lines four pixels apart: a dot for each frame, a ring at every "
         "fourth. It turns at the left paddle; then each ring is 4 pixels across and 8 up.")

# %% [markdown]
# A few pixels, and always nearly the same. The lines in the figure are four pixels apart. This is the reason why a
# small observation will be enough.
#
# ## 6.3 What the agent may not see
#
# Two digits above the court show the score. Should the agent see them?
#
# For playing they are useless: the ball does not depend on the score. For *learning from people*, in lesson 07, they
# would spoil the reward model. A labeler watches two clips and says which is better, and the reward model must learn
# why. If the digits are in the picture it need not look at the game at all: a **shortcut**. We play at random and read
# only the digits:

# %%
console = emulators(PONG, 4)
console.reset(seed=1)
screens, rewards = [], []
for _ in range(budget(full=400, ci=150)):
    seen, reward, *_ = console.step(rng.choice(PONG.actions, 4))
    screens.append(seen[:, 0].copy()), rewards.append(reward)
screens, rewards = np.stack(screens), np.stack(rewards)    # (T, 4, 210, 160), (T, 4)
digits = screens[:, :, :24]
changed = (digits[1:] != digits[:-1]).any(axis=(2, 3))     # (T - 1, 4)
points = rewards[1:] != 0
print(f"{points.sum()} points; the digits changed {changed.sum()} times")
near_a_change = changed | np.roll(changed, 1, 0) | np.roll(changed, -1, 0)   # or a step off
expect((near_a_change | ~points).all() and abs(int(changed.sum()) - int(points.sum())) <= 4,
       "whoever can read the digits knows every point, and has learned nothing about Pong")

# %% [markdown]
# So the score is cut off, for the policy, for the reward model and in the clips that people see: everything that leaves
# the environment comes from rows 34 to 193. And the screen is **downsampled**, to 80 rows of 40 cells that are 1 where
# there is anything but empty court.
#
# **Now do [exercise 06.2](../exercises/06_atari_ppo.ipynb)**, in which you write both. It is the **encoder** of your
# agent: from here on, all its observations come from your function.

# %%
to_cells = mine("06.2")

seen_ball = (screens[:, 0, 34:194] == 236).any(axis=(1, 2))
moment = screens[np.flatnonzero(seen_ball)[60], 0]         # (210, 160)
show(plots.pictures({"screen": moment, "without the score": moment[PONG.court],
                     "as cells": to_cells(moment[None])[0]},
                    "What is drawn, what may be seen, what is seen"),
     alt="Three pictures: the screen with its score; the court alone; the court as 80 by 40 "
         "cells, white where paddles and ball are.")
painted = screens[:50, 0].copy()
painted[:, :24] = rng.integers(0, 256, painted[:, :24].shape)   # other digits
expect(np.array_equal(to_cells(painted), to_cells(screens[:50, 0])),
       "no digit reaches the cells")

# %% [markdown]
# ## 6.4 Sixteen games at once
#
# One game gives one new observation at a time, and consecutive ones are alike. PPO needs varied batches. `ale-py`
# brings a **native vector environment**: N games in one process, stepped by compiled code.
#
# > **Predict.** Sixteen games natively, or sixteen Gymnasium environments one after the other: how many times faster,
# > per CPU-second?

# %%
from course_lib.atari.encoders import BinaryFrames
from course_lib.atari.envs import AtariEnvs
from course_lib.rl.vector_envs import make_vector

gym.register_envs(ale_py)
options = {"obs_type": "grayscale", "frameskip": 4, "repeat_action_probability": 0.0}

def speed(envs, actions, games):
    """Agent steps per CPU-second."""
    steps = budget(full=4_800, ci=640)
    envs.reset(seed=0)
    begun = time.process_time()
    for _ in range(steps // games):
        _, _, terminated, truncated, _ = envs.step(actions())
        if games == 1 and (terminated or truncated):       # the others start anew by themselves
            envs.reset()
    return steps // games * games / (time.process_time() - begun)

def buttons(games=16):
    return rng.choice(PONG.actions, games)

cells = AtariEnvs("pong", 16, BinaryFrames())
speeds = {
    "1 game, Gymnasium": speed(gym.make("ALE/Pong-v5", **options), lambda: buttons(1)[0], 1),
    "16 games, Gymnasium": speed(make_vector("ALE/Pong-v5", 16, **options), buttons, 16),
    "16 games, native": speed(emulators(PONG, 16), buttons, 16),
    "16 games, native, as cells": speed(cells, lambda: rng.integers(0, 3, 16), 16)}

# %%
show(plots.bars(speeds, "agent steps per CPU-second",
                "The emulator itself is what takes the time"),
     alt="Four bars of agent steps per CPU-second, all within about a quarter of each other.")
expect(0.6 < speeds["16 games, native"] / speeds["1 game, Gymnasium"] < 1.7,
       "for each CPU-second all ways play about as much",
       ci=0.4 < speeds["16 games, native"] / speeds["1 game, Gymnasium"] < 2.5,
       measured={name: round(value) for name, value in speeds.items()})

# %% [markdown]
# Not faster at all. In the stored run, emulating four frames takes about 0.3 milliseconds in each case. Sixteen
# games help elsewhere: the *network* processes sixteen observations in one **batch**, and the sixteen situations
# differ.

# %%
from course_lib.atari.networks import FrameAgent

network = FrameAgent()
one, many = torch.zeros(1, 2, 80, 40), torch.zeros(16, 2, 80, 40)

def calls_per_second(obs):
    times = budget(full=400, ci=60)
    begun = time.process_time()
    with torch.no_grad():
        for _ in range(times):
            network.distribution(obs)
    return times / (time.process_time() - begun)

gain = 16 * calls_per_second(many) / calls_per_second(one)
expect(gain > 2, "one question for sixteen games costs far less than sixteen questions",
       ci=gain > 1, measured=f"{gain:.1f} times the answers per CPU-second")

# %% [markdown]
# Sixteen games do not end at the same time. When one ends, its environment starts the next within the *same step*
# (**autoreset**): the step returns the first frame of the new game, and the last one of the old is in
# `info["final_obs"]`. A trap is hidden there. An observation is two frames, now and before, and a new game has no
# "before": **[exercise 06.6](../exercises/06_atari_ppo.ipynb)**.
#
# ## 6.5 From 84 × 84 greys to 80 × 40 cells
#
# The usual Atari network is that of V. Mnih et al. (2015), "Nature-CNN": 84 × 84 shades of grey, the last four pictures
# (**frame stacking**), three convolutions, 512 hidden units. Here is the same moment for both.

# %%
nature = emulators(PONG, 1, noop_max=0, img_height=84, img_width=84, stack_num=4, maxpool=True)
plain = emulators(PONG, 1, noop_max=0)
nature.reset(seed=0), plain.reset(seed=0)
looks = []
for _ in range(40):
    theirs = nature.step(np.array([3]))[0][0].copy()       # (4, 84, 84), the newest last
    looks.append(to_cells(plain.step(np.array([3]))[0][:, 0])[0])
show(plots.pictures({"84 × 84, 3 steps ago": theirs[0], "84 × 84, now": theirs[3],
                     "cells, 1 step ago": looks[-2], "cells, now": looks[-1]},
                    "Four large grey pictures, or two small ones of 0 and 1"),
     alt="Two grey pictures of 84 by 84 with the score in them, and two of cells, white on "
         "black, in which the ball has moved by a cell.")

# %%
multiplications = {
    "Nature-CNN": 20 * 20 * 32 * (4 * 8 * 8) + 9 * 9 * 64 * (32 * 4 * 4)
                  + 7 * 7 * 64 * (64 * 3 * 3) + 64 * 7 * 7 * 512,
    "ours": 9 * 9 * 16 * (2 * 16 * 8) + 16 * 9 * 9 * 128}
for name, count in multiplications.items():
    print(f"{name:10s} {count:9,d} multiplications for one picture")
print(network.trunk)
times = multiplications["Nature-CNN"] / multiplications["ours"]
expect(times > 15, "ours needs less than a fifteenth", measured=f"1/{times:.0f}")

# %% [markdown]
# Is that enough? We ask four things. Is the ball always in the cells? Do two frames show where it flies? Can the agent
# aim? And, in the end: does it win? For the first three, we record a trained agent (you meet it again in section 6.10).

# %%
from course_lib.atari.shipped import FROM_SCORE, load_shipped
from course_lib.rl.rollout import Collector


def play(agent, steps, games=8, seed=0):
    """(rollout of `steps` x `games`, court after each step (T, N, 160, 160))."""
    envs = AtariEnvs("pong", games, BinaryFrames(), keep_frames=True)
    collector = Collector(envs, agent, torch.Generator().manual_seed(seed), seed)
    rollout, _ = collector.collect(steps)
    frames = envs.take_frames()
    envs.close()
    return rollout, frames

shipped = load_shipped(FROM_SCORE)
rollout, frames = play(shipped.agent, budget(full=400, ci=120))
across = np.stack([ball_across(frames[:, n]) for n in range(8)], axis=1)     # (T, N) pixels
down = np.stack([ball_down(frames[:, n]) for n in range(8)], axis=1)

# %%
obs = rollout.next_obs().numpy()                           # (T, N, 2, 80, 40), as `frames`
between = (across > 24) & (across < 132)                   # far from the paddles
balls = obs[:, :, 0, :, 6:33].sum(axis=(2, 3))[between]    # cells set between the paddles
expect((balls == 2).mean() > 0.95, "the ball sets exactly two cells, wherever it is",
       measured=f"{(balls == 2).mean():.1%} of {len(balls):,} looks")
both = between[1:] & between[:-1] & ~rollout.ended.numpy()[1:]
steps_across, steps_down = np.diff(across, axis=0)[both] / 4, np.diff(down, axis=0)[both] / 4

def shares(steps):
    values, counts = np.unique(steps.round().astype(int), return_counts=True)
    return dict(zip(values.tolist(), counts / counts.sum()))

counts = {"across": shares(steps_across), "down": shares(steps_down)}
show(plots.bars_of_counts(counts, "from one observation to the next (4 pixels)",
                          "Four pixels across, up to eight up or down: few steps are possible"),
     alt="Two bar charts in units of 4 pixels. Across, nearly all steps are -1 or +1. Down, "
         "they are -2, -1, 0, 1 or 2.")
whole = (np.abs(steps_down - steps_down.round()) < 0.01).mean()
expect(whole > 0.8, "nearly always the ball moves by a multiple of 4 pixels",
       measured=f"{whole:.1%} of the steps")

# %% [markdown]
# This makes the small observation possible. The ball moves by no more than two pixels in each frame, the agent observes
# every fourth, and so it moves by whole multiples of four pixels. With cells of four pixels or less, **two frames tell
# the direction exactly.** More frames and shades of grey would add nothing about the ball.
#
# ## 6.6 Why a coarser grid loses the ball
#
# A lower resolution would be cheaper still. Here are two flights of the ball, two frames each.

# %%
flights = {"flat": np.array([[8, 4], [12, 8]]), "steep": np.array([[8, 4], [12, 12]])}
show(plots.flights_on_grids(flights, (4, 8, 16),
                            "From cells of 8 pixels on, a flat flight looks like a steep one"),
     alt="A flat and a steep flight over cells of 4, 8 and 16 pixels. With 4 they touch "
         "different cells; with 8 and with 16 both touch the same ones.")

# %% [markdown]
# > **Predict.** Twenty steps later the ball arrives. A perfect player sees the two frames and predicts the row. By how
# > many pixels is the prediction off, with cells 2, 4, 8, 16 pixels high? (Half a paddle is 8.)
#
# We let balls start everywhere, at all five speeds. The best prediction is the mean of all flights that look the same
# in the two frames of cells.

# %%
def best_guess_is_off_by(size, ahead=20):
    """Pixels, root mean square, over all flights (no walls)."""
    row, speed = (grid.ravel() for grid in np.meshgrid(np.arange(16 * size), [-8, -4, 0, 4, 8]))
    arrives = row + speed * (1 + ahead)
    two_cells = np.stack([row // size, (row + speed) // size])
    _, looks_like = np.unique(two_cells, axis=1, return_inverse=True)
    guess = np.bincount(looks_like, arrives) / np.bincount(looks_like)
    return np.sqrt(np.mean((arrives - guess[looks_like]) ** 2))

off = {f"cells {size} pixels high ({160 // size} rows)": best_guess_is_off_by(size)
       for size in (2, 4, 8, 16)}
show(plots.bars(off, "best guess of the row 20 steps ahead is off by (pixels)",
                "40 rows tell where the ball will be; 20 do not",
                line=(8, "half a paddle")),
     alt="Bars of the error of the best guess: below 2 pixels for cells 2 and 4 high, far "
         "above half a paddle for cells 8 and 16 high.")
values = list(off.values())
expect(values[1] < 2 and values[2] > 8,
       "half the resolution loses the direction, and with it the ball",
       measured={"4 pixels": values[1], "8 pixels": values[2]})

# %% [markdown]
# So 40 rows would do to be at the right place in time. Why does our agent get 80? Because returning the ball does not
# yet win the point. Let us watch the emulator frame by frame: where on the paddle does the ball land, and at what angle
# does it fly off?
#
# > **Predict.** The ball comes in at some angle. What decides the angle at which it leaves?

# %%
from course_lib.atari.evaluate import paddle_hits
from course_lib.rl.evaluate import sampled


def frame_by_frame(agent, steps, games=8):
    """Ball's column and row and our paddle's first row in each emulated frame, (frames, N)."""
    eye, act = BinaryFrames(), sampled(agent)
    console = emulators(PONG, games, frameskip=1)
    court = console.reset(seed=0)[0][:, 0, PONG.court]
    before = now = eye.look(court)
    seen = []
    for _ in range(steps):
        pressed = np.array(PONG.actions)[act(eye.join(now, before))]
        for _ in range(4):
            court = console.step(pressed)[0][:, 0, PONG.court]
            paddle = (court[:, :, 141] == 147).argmax(axis=1)
            seen.append((ball_across(court), ball_down(court), paddle))
        before, now = now, eye.look(court)
    return (np.stack(column) for column in zip(*seen))

# %%
column, row, paddle = frame_by_frame(shipped.agent, budget(full=500, ci=100))
hits = []
for n in range(8):
    for t in paddle_hits(column[:, n]).nonzero()[0]:       # the ball has just turned
        if t + 9 < len(row) and row[t + 9, n] > 0 and 8 < row[t, n] < 150:     # far from walls
            hits.append((row[t - 1, n] - paddle[t - 1, n], (row[t + 9, n] - row[t + 1, n]) / 8))
where, angle = np.array(hits, dtype=float).T
show(plots.angles(where, angle, "Where the ball meets the paddle decides how it flies off"),
     alt="Rows a frame at which the ball leaves, against where on the paddle it landed: "
         "steeply up from the upper edge, level from the middle, steeply down from the lower.")
together = np.corrcoef(where, angle)[0, 1]
expect(together > 0.8, "the paddle's edges send the ball off steeply", ci=together > 0.4,
       measured=f"correlation {together:.2f} over {len(hits)} hits")

# %% [markdown]
# A staircase, and its steps are a few pixels wide. With cells four pixels high neither ball nor paddle is known well
# enough to choose a step; with two it is possible, and a steep ball is hard to reach for the other side. Whether this
# shows in the results, section 6.12 asks.
#
# **A network can lose resolution too.** Nature-CNN stacks convolutions. On our small picture the first leaves a
# **feature map** of 9 × 9 places, and a second one 3 × 3, each of which has a **receptive field** of half the court's
# height.
#
# > **Predict.** Untrained networks, random weights. From the features of each, how well can a **linear probe** (a
# > weighted sum) read out the ball's row?

# %%
from course_lib.rl.networks import orthogonal


def features(filters):
    """One convolution, or with `filters` a second one."""
    draw = torch.Generator().manual_seed(0)
    layers = [orthogonal(nn.Conv2d(2, 16, (16, 8), (8, 4)), generator=draw), nn.ReLU()]
    if filters:
        layers += [orthogonal(nn.Conv2d(16, filters, 4, 2), generator=draw), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten())

@torch.no_grad()
def read_out_is_off_by(network, looks, rows, ridge=100.0):
    """Median error in pixels on the second half, of weights fitted to the first half."""
    half = len(looks) // 2
    x = network(looks)                                                    # (looks, features)
    x = (x - x[:half].mean(0)) / (x[:half].std(0) + 1e-6)
    middle, fitted = rows[:half].mean(), x[:half]
    weights = torch.linalg.solve(fitted.T @ fitted + ridge * torch.eye(x.shape[1]),
                                 fitted.T @ (rows[:half] - middle))
    return (x[half:] @ weights + middle - rows[half:]).abs().median().item()

# %%
some = np.flatnonzero(between.ravel())[:budget(full=3_000, ci=400)]
some = rng.permutation(some)
looks = torch.from_numpy(obs.reshape(-1, 2, 80, 40)[some]).float()
rows = torch.from_numpy(down.ravel()[some]).float()
read_out = {}
for name, filters in (("9 × 9 grid", 0), ("3 × 3 grid", 32), ("3 × 3 grid, wide", 144)):
    numbers = features(filters)(looks[:1]).shape[1]
    error = read_out_is_off_by(features(filters), looks, rows)
    read_out[f"{name}, {numbers:,} numbers"] = error
show(plots.bars(read_out, "the ball's row, read out, is off by (pixels, median)",
                "After a second convolution less of the ball's place is left"),
     alt="Bars of the error of a linear read-out of the ball's row: smallest for the 9 by 9 "
         "grid, about twice as large for a 3 by 3 grid of 32 filters, in between for 144.")
fine, coarse, wide = read_out.values()
expect(fine < wide < coarse, "the 3 × 3 grid blurs the ball; more filters give some of it back",
       ci=fine < coarse, measured={"9 × 9": fine, "3 × 3": coarse, "3 × 3 wide": wide})

# %% [markdown]
# The position is not *gone* from the 3 × 3 map, because the filters together still encode it. But it is spread over
# fewer numbers, and the layers behind have to learn to decode them. Large networks have the filters to do so, and need
# many times the computation.
#
# ## 6.7 A point is an end
#
# A game is 21 to 41 points. When a point is over, the ball is served anew, and nothing of what was done before matters
# any more. GAE does not know that: it lets the next points, won or lost, flow back into this rally's advantages. So we
# tell it: **each point is a boundary**, as if the episode had **terminated** there. **Do [exercise
# 06.3](../exercises/06_atari_ppo.ipynb)**; it is one line.

# %%
point_boundaries, gae, clipped_policy_loss = mine("06.3"), mine("02.1"), mine("02.2")

# %% [markdown]
# To see what it does, let the critic's value estimate be 0 everywhere, as that of an untrained one nearly is: then only
# the points flow back. First a beginner, who loses a point every few seconds.
#
# > **Predict.** Here is its advantage along ten seconds of play, with the boundaries and without. Where do the two
# > lines part, and where do they meet?

# %%
beginner, _ = play(FrameAgent(), budget(full=400, ci=150))

def advantages(rollout, boundaries, lam=0.98):
    nothing = torch.zeros_like(rollout.rewards)
    return gae(rollout.rewards, nothing, boundaries, nothing[0], 0.99, lam)          # (T, N)

def both_ways(rollout):
    return (advantages(rollout, rollout.ended),
            advantages(rollout, point_boundaries(rollout.rewards, rollout.ended)))

games_only, each_point = both_ways(beginner)
lines = {"only games are boundaries": games_only[:150, 0].numpy(),
         "each point is": each_point[:150, 0].numpy()}
show(plots.rally(beginner.rewards[:150, 0].numpy(), lines,
                 "Without boundaries each step is blamed for the next points too"),
     alt="Advantages along one game with its points marked, all lost. With boundaries each "
         "rally falls from its beginning to its own point. Without, the line lies lower.")

# %%
def leak(rollout):
    """Mean size of what comes from other points, as a share of what is the step's own."""
    games_only, each_point = both_ways(rollout)
    return ((games_only - each_point).abs().mean() / each_point.abs().mean()).item()

leaks = {}
for name, played in (("beginner", beginner), ("trained agent", rollout)):
    count = (played.rewards != 0).sum().item()
    leaks[name] = leak(played)
    print(f"{name:13s} a point every {played.rewards.numel() / count:4.0f} steps; "
          f"from other points: {leaks[name]:.0%}")
expect(leaks["beginner"] > 0.2 > leaks["trained agent"],
       "the leak is large while rallies are short, and small when they are long",
       ci=leaks["beginner"] > 1.5 * leaks["trained agent"],
       measured={name: f"{value:.0%}" for name, value in leaks.items()})

# %% [markdown]
# What comes from the next points tells nothing about the actions of this rally: it adds **variance** to the advantages.
# A critic can learn to take most of it away, but it has to learn that first. The boundary is knowledge about this game,
# put in by hand; what it buys, section 6.12 asks. (In lesson 07 the score is hidden, and the end of a rally is read off
# the screen.)
#
# **[Exercise 06.4](../exercises/06_atari_ppo.ipynb)** is an agent that should hurry, and learns nothing at all. Why?
#
# ## 6.8 How far back?
#
# The reward for a good paddle hit comes late: the ball has to cross the court and pass the other paddle.
#
# > **Predict.** How many steps of the agent lie between its hit and the point that it wins? And how much of the point's
# > reward arrives there, at $\gamma = 0.99$ and $\lambda = 0.95$? (**[Exercise
# > 06.5](../exercises/06_atari_ppo.ipynb)**.)

# %%
from course_lib.atari.evaluate import steps_to_the_point

waits = steps_to_the_point(frames, rollout.rewards.numpy())
print("steps from our hit to the point won:", sorted(waits))

# %%
def draw(lam):
    return plots.fading(lam, 0.99, (0.95, 1.0), waits,
                        "From λ = 0.95 to 0.98 a hit hears three times as much of its point")

explore(draw, "Share of a point that arrives k steps before it. At 35 steps about a tenth is "
              "left with lambda 0.95, about a third with 0.98, and 70% with 1.",
        lam=(0.9, 1.0, 0.01, 0.98))
wait = np.median(waits) if waits else 35
heard = {lam: (0.99 * lam) ** wait for lam in (0.95, 0.98)}
expect(heard[0.98] > 2 * heard[0.95], "with λ = 0.98 more than twice as much arrives",
       measured={f"λ = {lam}": value for lam, value in heard.items()})

# %% [markdown]
# As long as the critic's value estimates say nothing, this is all the credit that the hit gets. Hence $\lambda = 0.98$
# here, though lesson 02 found the best balance a little lower: Pong's rewards come late, and its early critics are
# poor.
#
# **The zero.** Another choice follows from the boundaries. Within one point, a constant added to every step's reward
# acts as a *time* penalty or bonus: the longer the rally, the more of it. Our run subtracts the running mean of the
# rewards (**reward centering**; A. Naik et al. 2024 do the same for tasks without end, for other reasons). So an agent
# that loses nearly every point gets a small bonus for each step that it holds out, which means returning balls; and one
# that wins gets a small penalty for each step. Section 6.12 comes back to it, and lesson 07 shows what a wrong zero can
# do.
#
# ## 6.9 Train it while you watch
#
# Everything is ready. The agent observes through *your* cells, its rallies end at *your* boundaries, and it learns with
# *your* GAE and *your* clipped objective. First a test: does one update with your parts give the same network as the
# library's own run?

# %%
from course_lib.atari.pong import NUM_ENVS, pong_config, pong_from_score
from course_lib.rl.ppo import PPO


class OwnCells(BinaryFrames):
    """The run's eye, with your function. It is handed the court alone: no score."""

    def look(self, court):
        screens = np.full((len(court), 210, 160), self.floor, dtype=np.uint8)
        screens[:, PONG.court] = court
        return to_cells(screens)

def own_boundaries(rollout):
    return point_boundaries(rollout.rewards, rollout.ended)

def own_trainer(seed=0, checkpoint=None):
    envs = AtariEnvs("pong", NUM_ENVS, OwnCells())
    return PPO(envs, FrameAgent(seed=seed), pong_config(seed), checkpoint,
               boundary_function=own_boundaries, advantage_function=gae,
               policy_loss=clipped_policy_loss)

# %%
own, library = own_trainer(seed=1), pong_from_score(seed=1)
next(own.train()), next(library.train())
pairs = zip(own.network.parameters(), library.network.parameters())
apart = max((one - other).abs().max().item() for one, other in pairs)
expect(apart < 1e-4, "your parts and the library's give the same network",
       measured=f"largest difference {apart:.0e}")

# %% [markdown]
# Now train. The cell shows the return of a game, the reward of a step, the entropy, and every fifteen updates a clip of
# the agent as it plays then. It goes through 120,000 agent steps, eight minutes of play in each of 16 games at once:
# far enough to see it move.
#
# Set `retrain = True` to train all the way; the bar shows how far it is. **You can stop at any time**: with the button
# ■ of the view or of the toolbar, or close the lid. Everything is kept in `my_work/checkpoints`, and the cell resumes
# where it stopped.
#
# > **Predict.** What will it learn first: to return the serve, or to win points?

# %%
retrain = False

ppo = own_trainer(checkpoint=my_work() / "checkpoints" / "06-pong.pt")
steps = ppo.config.total_steps if retrain else budget(full=120_000, ci=4_096)

# %%
from course_lib.atari.envs import film
from course_lib.show.training_view import watch


def clip():
    alt = f"Six seconds of play after {ppo.steps:,} agent steps; we are on the right."
    return video_html(film(ppo.network, steps=90), alt, fps=15, width=200)

view = watch(ppo.train(until=steps), curves=("episode_return", "mean_reward", "entropy"),
             past=ppo.history, total=steps, picture=clip, picture_every=15)

# %%
rewards_a_step = np.array([update.mean_reward for update in view.records])
tenth = max(1, len(rewards_a_step) // 10)
begun, now = rewards_a_step[:tenth].mean(), rewards_a_step[-tenth:].mean()
speed_now = ppo.steps / max(ppo.cpu_seconds, 1e-9)
print(f"{ppo.steps:,} agent steps, {speed_now:,.0f} per CPU-second, learning included")
expect(now > 0.8 * begun, "it loses points more slowly than in the beginning", ci="two updates",
       measured=f"{begun:.4f} and {now:.4f} points a step")

# %% [markdown]
# At first little seems to happen: the return of a game is the sum of all its points, and most of them are still lost.
# The reward of a step moves first, because rallies last longer. *Winning* comes later, in the part of the curve that
# the benchmark shows below.
#
# ## 6.10 Watch it play, and evaluate it
#
# The notebook comes with an agent that the same code trained before.

# %%
agent = ppo.network if retrain else shipped.agent
for name in ("agent_steps", "labels", "true_return", "command"):
    print(f"{name:12s} {shipped.facts[name]}")
clips = [film(net, steps=budget(full=180, ci=60)) for net in (FrameAgent(), agent)]
video(side_by_side(clips, ["untrained", "trained"]), fps=15, width=488,
      alt="Two games of Pong side by side, we are on the right. The untrained paddle trembles "
          "and misses; the trained one meets the ball and sends it back at an angle.")

# %% [markdown]
# How good is it? Twenty fresh games. But there are two ways to act: **sample** each action from the policy $\pi(a \mid
# s)$, as in training, or act **greedily**: always take the most likely action.
#
# > **Predict.** Which is better? And which tells you more?

# %%
from course_lib.atari.evaluate import fresh_games

limit = budget(full=5_000, ci=200)
games = {name: fresh_games(agent, "pong", BinaryFrames(), games=budget(full=20, ci=3),
                           greedily=greedily, step_limit=limit)
         for name, greedily in (("sampled", False), ("greedy", True))}
for name, played in games.items():
    returns = np.sort(played.returns).astype(int).tolist()
    print(f"{name:9s} mean {played.mean:5.1f}, games: {returns}")
spots = {name: (played.returns, played.lengths) for name, played in games.items()}
title = "Sampled actions give different games; greedy ones the same few again"
show(plots.games_played(spots, limit, title),
     alt="Return against length of games. The games with sampled actions are spread; those with "
         "greedy actions fall on a few spots, marked larger where several coincide.")

# %%
def clusters(lengths, gap=50):
    """How many groups of games there are, whose lengths differ by more than `gap` steps."""
    return 1 + int((np.diff(np.sort(lengths)) > gap).sum())

groups = {name: clusters(played.lengths) for name, played in games.items()}
cut = {name: int((played.lengths >= limit).sum()) for name, played in games.items()}
print("different games:", groups, " cut off at the limit:", cut)
expect(games["sampled"].mean > 15, "the agent wins clearly", ci=games["sampled"].mean > 0,
       measured=games["sampled"].mean)
expect(groups["greedy"] < groups["sampled"],
       "twenty games with greedy actions are only a few games", ci="all are cut off", measured=groups)

# %% [markdown]
# The emulator is **deterministic**, and so is the greedy policy. All that differs between those games is how many
# frames pass before the first action: the same opening, the same answers, the same end. Twenty such games are a handful
# of different ones, and a mean over them says little. **So we evaluate with sampled actions**, though their mean may be
# lower.
#
# And why a step limit? When both sides return every ball a rally has no end, and a deterministic policy can fall into a
# loop that repeats to the pixel. Some games never end, so we cap them (**truncation**); the number of capped games must
# be reported with the mean. (`fresh_games` keeps the length of each game for that reason.)
#
# **Sticky actions.** M. Machado et al. (2018) recommend to break the emulator's determinism: with probability 0.25 it
# ignores the new action and repeats the last one. In this course they are *off*, in training and in every score that we
# report, so our numbers must not be compared with those of papers that turn them on. What is our agent worth with
# sticky actions, for which it was never trained?

# %%
from course_lib.rl.evaluate import evaluate

sticky = AtariEnvs(PONG, budget(full=10, ci=2), BinaryFrames(), repeat_action_probability=0.25)
stuck = evaluate(sticky, sampled(agent, 0), seed=1_000_000, max_steps=limit)
sticky.close()
print(f"with sticky actions: mean {stuck.mean:+.1f} in {len(stuck.returns)} games, "
      f"from {min(stuck.returns):+.0f} to {max(stuck.returns):+.0f}")

# %% [markdown]
# Far less. It aims with the edge of its paddle (6.6), and an action that comes a few frames late can miss; whether this is
# the reason we did not measure. From ten games of one agent this is a rough figure. To be robust it would have to train with sticky actions.
#
# ## 6.11 Ten numbers instead of a picture
#
# There is another small observation: cut the *objects* out of the screen. Their shades tell which is which, and ten
# **features** say where they are and how they move.

# %%
from course_lib.atari.encoders import PongObjects
from course_lib.atari.networks import BinnedObjectAgent

objects = PongObjects()
t, n = next((t, n) for t, n in np.argwhere(between) if t > 40 and between[t - 1, n])
now, before = (objects.look(frames[step, n][None]) for step in (t, t - 1))
numbers = objects.join(now, before)[0]                     # (10,)
names = ("ball is seen", "ball across", "ball down", "our paddle down", "their paddle down",
         "ball moves across, × 10", "ball moves down, × 10", "our paddle moves, × 10",
         "theirs moves, × 10", "ball below our paddle, × 4")
video([in_colour(frames[t, n], PONG)], width=200,
      alt="The court at the moment that the ten numbers describe.")
for name, value in zip(names, numbers):
    print(f"{name:26s} {value:+.2f}")
for name, network in (("cells", FrameAgent()), ("objects", BinnedObjectAgent())):
    weights = sum(p.numel() for p in network.parameters())
    print(f"weights of the network for {name}: {weights:,}")

# %% [markdown]
# This is more knowledge put in by hand, and it helps where labels are few: lesson 07 teaches Pong to this agent too,
# from labels. One more piece of it: a small network takes long to tell 0.31 from 0.35, and the angle of a ball is
# decided by less. So `BinnedObjectAgent` also gets each position as a row of overlapping *bins* (**coarse coding**), of
# which the nearest is largest. All this is brittle: in another game, or with another shade, the ten numbers mean
# nothing. Pixels are the honest test, so they stay our main road.
#
# ## 6.12 How much do seeds vary? What does each part buy? How fast is it?
#
# `benchmarks/pong.py` trains on the true score for 650,000 steps, or until five CPU-minutes are over. The goal, set
# before anything was measured, is a mean of 18 in 20 fresh games, without sticky actions. This is what its file says:

# %% tags=["nbval-check-output"]
from course_lib.atari.shipped import benchmark_results

runs = benchmark_results("pixels-true")
print("benchmarks/results/pong_pixels-true.jsonl")
for run in runs:
    print(f"seed {run['seed']}: {run['true_return']:5.1f} in fresh games, "
          f"from {min(run['returns']):.0f} to {max(run['returns']):.0f}, "
          f"{run['games_at_step_limit']} of them cut off; "
          f"{run['agent_steps']:,} steps, {run['cpu_s']:.0f} CPU-seconds")
reached = sum(run["reached"] for run in runs)
title = f"{reached} of {len(runs)} seeds reach 18 in fresh games within 5 CPU-minutes"
show(plots.curves({"seeds": [run["curve"] for run in runs]}, title, goal=18),
     alt="Learning curves of Pong from its score, one line for each seed: return of a game "
         "against agent steps.")
won = sum(run["true_return"] > 0 for run in runs)
expect(won == len(runs), "every seed learns to win", measured=f"{won} of {len(runs)}")

# %% [markdown]
# Seeds 0 to 4, for which the goal was set, all end above 18.
#
# **How far to trust it.** The settings were found by trying, mostly on other seeds, some on seeds 0 and 1 of this
# table. So we kept seeds 5 to 7 for the end and ran them once, when everything was settled. All three win, but only one
# reaches 18: seed 5 wins most of its games by 17 points or more, and loses two of twenty by 16. Five of five is an
# optimistic **selection effect**; six of eight is nearer to what you may expect of your own run.
#
# **Ablation.** Now take parts away. `benchmarks/pong_parts.py` trains each variant for a fixed number of steps,
# everything else as taught; the seeds above, up to the same number of steps, stand beside it.

# %% tags=["nbval-check-output"]
parts = benchmark_results("parts", script="pong_parts")
curves = {"as taught": [run["curve"] for run in runs]}
for run in parts:
    curves.setdefault(run["variant"], []).append(run["curve"])
at = min(run["curve"][-1][0] for run in parts)             # as far as all of them went
for variant, seeds in curves.items():
    steps, _, returns = zip(*(np.array(seed, dtype=float).T for seed in seeds))
    there = [round(float(np.interp(at, *pair)), 1) for pair in zip(steps, returns)]
    print(f"{variant:20s} return after {at:,} steps, seed by seed: {there}")
shown = {variant: [[point for point in seed if point[0] <= 1.2 * at] for seed in seeds]
         for variant, seeds in curves.items()}
show(plots.curves(shown, "The same number of steps with and without a part"),
     alt="Learning curves against agent steps: as taught, and with one part taken away.")

# %% [markdown]
# Compare each variant with the *variation between seeds* before you believe in a difference. Halfway to the win the
# seeds lie more than twenty points apart; a single run of a variant proves nothing. Half the learning rate looks like
# many others here, and yet in two whole runs from preferences it cost points (lesson 07, section 7.7). Reward centering
# makes no visible difference here. Without boundaries at points the agent learns too: what leaks between rallies is
# variance, and more games average it out.
#
# **Speed.** The emulator takes the same time in all programs, so the network decides. `benchmarks/pong_speed.py` lets
# programs take turns in one process, one thread each, learning included. (sb3 is stable-baselines3.)

# %% tags=["nbval-check-output"]
speeds = benchmark_results("speed", script="pong_speed")[-1]["steps_per_cpu_s"]
show(plots.bars(speeds, "agent steps per CPU-second",
                "A small network makes Pong a matter of minutes"),
     alt="Bars of agent steps per CPU-second for the course, stable-baselines3 with its own "
         "and with the same network, CleanRL's settings, and the course with two threads.")
print("benchmarks/results/pong_speed.jsonl")
for name in ("sb3", "sb3, same network", "CleanRL's settings"):
    print(f"the course is {speeds['course'] / speeds[name]:4.1f} times as fast as {name}")
expect(speeds["course"] > 2 * speeds["sb3"] and speeds["course"] > speeds["sb3, same network"],
       "most of the gain is the small network, some of it the rest",
       measured=speeds["course"] / speeds["sb3, same network"])

# %% [markdown]
# Read it with care. stable-baselines3 with its own network and its wrappers does much more work for each step, and that
# setup fits a hundred games; ours fits one. With the same small network it comes much closer. Two torch threads take
# two thirds more CPU-seconds, and save a tenth of the wall-clock time: the pieces of work are too small to be shared.
# Two emulator threads save a seventh of the wall-clock time at about the same CPU time; we use one everywhere, so that
# CPU-seconds and the clock agree.
#
# ## What you learned
#
# - Frames, frame-skip, flicker: the observation is designed, and designed differently for each game. The score is cut
#   off.
# - Cells as small as the ball's step tell position and direction; half that resolution loses both. To aim, the agent
#   must see more precisely where the ball meets the paddle.
# - A reward event can be a boundary for GAE, and $\lambda$ says how far back its credit reaches. Both are choices about
#   *this* game.
# - Games with greedy actions are the same few games. Sample, play many, set a limit, and say how many reached it.
#
# **What failed.** Seeds differ more than most ideas do: whether 80 rows beat 40, so few runs do not say. Boundaries at
# points make no difference that one run could show. Native games are no faster than Gymnasium's per CPU-second. And
# what we built is narrow: three buttons, one court, one shade of floor.
#
# **Departures from common practice.** `course_lib/atari/pong.py` lists them at its top.
#
# **Further reading.** V. Mnih et al. (2015), *Human-level control through deep reinforcement learning*. M. Machado et
# al. (2018), *Revisiting the Arcade Learning Environment*, on sticky actions and honest evaluation. S. Huang et al.
# (2022), *The 37 implementation details of proximal policy optimization*. N. Montfort and I. Bogost (2009), *Racing the
# Beam*, on the chip that draws.
#
# **Next:** [lesson 07](07_atari_from_preferences.ipynb) takes the score away: the reward comes from your preferences
# between clips.

"""The hopper seen from the side, drawn from what it observes: no OpenGL, no MuJoCo. Lesson 05.

An observation does not hold the way gone; the ground's marks move by the velocity, added up, so that one sees which way
the hopper goes and how fast.
"""

import numpy as np
from PIL import Image, ImageDraw

from course_lib.hopper.environment import (
    ANKLE,
    COS_PITCH,
    FORWARD,
    HEIGHT,
    HIP,
    KNEE,
    SIN_PITCH,
    STANDING,
    TIME_STEP,
    VELOCITY_SCALE,
)
from course_lib.show import palette

TORSO, THIGH, LEG = 0.4, 0.45, 0.5              # lengths of the capsules between their end points, m
HEEL, TOE = 0.13, 0.26                          # of the foot, from the ankle, m
RADII = (0.05, 0.05, 0.04, 0.06)                # of torso, thigh, leg, foot, m
COLOURS = (palette.BLUE, palette.SKY, palette.ORANGE, palette.VERMILION)
MARK_EVERY = 0.5                                # m between two marks on the ground
VIEW = 2.6                                      # m that a picture shows from left to right, and from bottom to top


def skeleton(obs: np.ndarray) -> np.ndarray:
    """End points of the four capsules, m: (..., 12) -> (..., 4, 2, 2), for each capsule two points (x, height).

    x is counted from the torso's centre. Order: torso (top, hip), thigh (hip, knee), leg (knee, ankle), foot (heel,
    toe).
    """
    obs = np.asarray(obs, dtype=np.float64)
    torso = np.arctan2(obs[..., SIN_PITCH], obs[..., COS_PITCH])
    thigh = torso - obs[..., HIP]                                           # joints turn the other way
    leg = thigh - obs[..., KNEE]
    foot = leg - obs[..., ANKLE]

    def down(angle: np.ndarray) -> np.ndarray:
        return np.stack([-np.sin(angle), -np.cos(angle)], axis=-1)          # (..., 2)

    centre = np.stack([np.zeros_like(torso), obs[..., HEIGHT] + STANDING], axis=-1)
    top, hip = centre - TORSO / 2 * down(torso), centre + TORSO / 2 * down(torso)
    knee = hip + THIGH * down(thigh)
    ankle = knee + LEG * down(leg)
    ahead = np.stack([np.cos(foot), -np.sin(foot)], axis=-1)
    capsules = [(top, hip), (hip, knee), (knee, ankle), (ankle - HEEL * ahead, ankle + TOE * ahead)]
    return np.stack([np.stack(ends, axis=-2) for ends in capsules], axis=-3)


def way_gone(obs: np.ndarray) -> np.ndarray:
    """How far the torso has gone forwards at each state of a film, m: (L, 12) -> (L,); its velocities, added up."""
    return np.cumsum(obs[:, FORWARD], dtype=np.float64) / VELOCITY_SCALE * TIME_STEP


def draw(obs: np.ndarray, width: int, way: np.ndarray) -> np.ndarray:
    """Pictures of states: (L, 12) and the way gone, (L,) m -> (L, width, width, 3) uint8.

    The torso stays in the middle. The dot is its head; the toe points to where the hopper faces.
    """
    return np.stack([_picture(body, x, width) for body, x in zip(skeleton(obs), way, strict=True)])


def _picture(body: np.ndarray, x: float, width: int) -> np.ndarray:
    smooth = 2                                              # drawn twice as large, then shrunk: smooth edges
    size = width * smooth
    metre = size / VIEW
    ground = 0.9 * size
    image = Image.new("RGB", (size, size), "white")
    pen = ImageDraw.Draw(image)

    def place(point: np.ndarray) -> tuple[float, float]:
        return size / 2 + point[0] * metre, ground - point[1] * metre

    pen.rectangle([0, ground, size, size], "#E9E9E9")
    pen.line([(0, ground), (size, ground)], palette.GREY, 2 * smooth)
    for mark in np.arange(np.floor((x - VIEW) / MARK_EVERY), (x + VIEW) / MARK_EVERY) * MARK_EVERY:
        left = size / 2 + (mark - x) * metre
        pen.line([(left, ground), (left - 0.05 * size, size)], palette.GREY, smooth)
    for ends, radius, colour in reversed(list(zip(body, RADII, COLOURS, strict=True))):
        points = [place(end) for end in ends]
        pen.line(points, colour, round(2 * radius * metre))
        for a, b in points:
            r = radius * metre
            pen.ellipse([a - r, b - r, a + r, b + r], colour)
    a, b = place(body[0, 0])
    r = 0.09 * metre
    pen.ellipse([a - r, b - r, a + r, b + r], palette.BLUE)
    return np.asarray(image.reduce(smooth))

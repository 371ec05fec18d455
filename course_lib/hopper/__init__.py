"""The hopper: a one-legged robot in MuJoCo that learns a backflip from preferences. Lesson 05."""

"""From `lessons/NN_slug/` to the notebooks that learners open: `course build`; the answer matrix: `course answers`."""

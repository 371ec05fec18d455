"""From `lessons/NN_slug/` to the notebooks that learners open: `course build`, and the kill matrix `course answers`."""

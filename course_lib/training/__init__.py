"""Keep a training and go on with it: checkpoints, stopping and resuming, for rl and lm alike."""

"""What every training shares, for rl and lm alike: loop, curve, checkpoints, stopping, resuming, learning rates."""

"""Learning from preferences: Bradley–Terry, reward models, human ratings and the loop."""

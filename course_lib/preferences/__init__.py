"""Learning from preferences: Bradley–Terry, reward models, human ratings, the label store and the loop."""

"""Reinforcement learning from the ground up: environments, returns, policy gradient, GAE, PPO. Lessons 01 and 02."""

"""Atari from its score and from preferences: Pong, and where it stops working, Donkey Kong. Lessons 05 and 06."""

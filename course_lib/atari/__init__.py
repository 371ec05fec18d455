"""Atari from its score and from preferences: Pong, and where it stops working, Donkey Kong. Lessons 06 and 07."""

"""Language models from scratch: a GPT that trains on two cores. Lessons 07 to 10."""

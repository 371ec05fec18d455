"""Language models from scratch: a GPT that trains on two cores. Lessons 08 to 11."""

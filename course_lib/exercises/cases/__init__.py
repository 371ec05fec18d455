"""One file of cases per lesson: `lesson_03.py` holds the exercises 03.1, 03.2, ..."""

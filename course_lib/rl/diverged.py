"""A training whose numbers are no longer numbers."""

from course_lib.errors import CourseError


class TrainingDiverged(CourseError):
    """The loss is no longer a number; the message names the step and the last good checkpoint."""

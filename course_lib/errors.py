"""The one kind of exception whose text is written for the learner."""


class CourseError(RuntimeError):
    """A fault that the reader can mend: the text says what happened and what to do next.

    The command line prints it as it is, without a traceback.
    """

"""The one kind of exception whose text is written for the learner."""


class CourseError(RuntimeError):
    """A fault that the reader can mend: the text says what happened and what to do next.

    The command line prints it as it is, without a traceback.
    """


def printable(text: str) -> str:
    """The text without control characters, which could move the cursor of a terminal, recolour it or hide words.

    Names in files that came from others may hold such characters. Line ends stay.
    """
    return "".join(character for character in text if character.isprintable() or character == "\n")

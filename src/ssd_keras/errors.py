"""What is raised when the user's input is at fault."""


class InputError(Exception):
    """The user's input is at fault: a file, a folder, a label, a setting.

    The message is one line that says what is wrong, where, and what to do. The command line prints it and
    exits with status 1; everything else that is raised is a fault of the program and keeps its traceback.
    """

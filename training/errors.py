"""What can stop a training run. Nothing half-written is left behind by any of these.

TrainingError
├── InputError           a file, table or column of the data is missing, broken or of another version
├── SettingError         a setting of the TOML is wrong, or contradicts another
├── CohortError          no stays are left, one class only, no notes where notes are needed
├── DivergedError        a loss or a weight stopped being a number
├── RunError             a run folder cannot be resumed, written or used
└── SealedError          held_out was opened already by this run
"""


class TrainingError(Exception):
    """Root. `where` is the file, setting or stage; `problem` what is wrong; `remedy` what to do.

    Never a patient's value in any of them.
    """

    def __init__(self, where: object, problem: str, remedy: str) -> None:
        super().__init__(f"{where}: {problem}. {remedy}.")
        self.where = str(where)
        self.problem = problem
        self.remedy = remedy


class InputError(TrainingError):
    """A file of the data cannot be used."""


class SettingError(TrainingError):
    """A setting cannot be used."""


class CohortError(TrainingError):
    """The stays that are left cannot be trained or evaluated on."""


class DivergedError(TrainingError):
    """Training left the numbers."""


class RunError(TrainingError):
    """A run folder is not what this command needs."""


class SealedError(TrainingError):
    """held_out is opened once."""

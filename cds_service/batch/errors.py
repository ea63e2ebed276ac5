"""What stops a batch: one sentence that says where, what, and what to do. Commands exit with 2."""

from cds_service.errors import StartRefusedError


class BatchError(StartRefusedError):
    """`where` is an address or a file of the user's own; never a patient, a token or a body."""

    def __init__(self, where: object, what: str, remedy: str) -> None:
        super().__init__(f"{where}: {what} {remedy}")

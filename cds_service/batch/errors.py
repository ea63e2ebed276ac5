"""How a batch says that it cannot go on: what was wrong, where, and what to do. No value of a record."""

from cds_service.errors import ServiceError


class BatchError(ServiceError):
    """`where` names a file, an address or an option; never a patient."""

    def __init__(self, where: str, what: str, remedy: str) -> None:
        super().__init__(f"{where}: {what} {remedy}")

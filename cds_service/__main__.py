"""`python -m cds_service` is `readmit`."""

from cds_service.cli import app

app()

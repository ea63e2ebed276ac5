"""`readmit new-app-keys`: the keys that the SMART app signs with."""

import typer

from cds_service.smart.app_keys import new_app_keys


def new_app_keys_command() -> None:
    """Print new private keys for the SMART app. Keep them in the file READMIT_APP_KEYS, readable by
    the service alone."""
    typer.echo(new_app_keys())

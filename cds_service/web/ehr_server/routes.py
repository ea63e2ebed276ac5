"""What an EHR serves to a SMART app, for the page that plays the EHR. Under --dev only."""

from collections.abc import Callable
from datetime import datetime

from fastapi import APIRouter

from cds_service.tenants import DEV_FHIR
from cds_service.web.ehr_server.authorization import Authorization
from cds_service.web.ehr_server.authorization_routes import authorization_router
from cds_service.web.ehr_server.charts import Charts
from cds_service.web.ehr_server.fhir_routes import fhir_router


def ehr_server_router(charts: Charts, address: str, *, clock: Callable[[], datetime]) -> APIRouter:
    """`/dev/launch`, `/dev/auth/...`, `/dev/fhir/...`. `address`: of this service, as the browser
    and the app reach it."""
    server = Authorization(
        f"{address}{DEV_FHIR}", f"{address}/dev/auth", f"{address}/smart/callback"
    )
    router = APIRouter(include_in_schema=False)
    router.include_router(authorization_router(server, charts, clock))
    router.include_router(fhir_router(server, charts, clock))
    return router

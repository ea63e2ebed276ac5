"""What machines ask of the service itself: is it alive, is it ready, what did it count. No patient,
no authentication: keep these paths inside the hospital's network."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from cds_service import metrics
from cds_service.dependencies import State
from cds_service.errors import FHIR_JSON, operation_outcome
from cds_service.storage.readiness import unready

router = APIRouter()


@router.get("/health/live")
async def live() -> Response:
    """The process answers. A supervisor restarts it where this fails."""
    return JSONResponse({"status": "live"})


@router.get("/health/ready")
async def ready(state: State) -> Response:
    """Bundles are loaded and the store answers. Else send no requests."""
    wrong = await unready(state.store.engine)
    if wrong:
        outcome = operation_outcome("transient", f"not ready: {wrong}")
        return Response(outcome, 503, media_type=FHIR_JSON)
    return JSONResponse({"status": "ready"})


@router.get("/metrics")
def counted() -> Response:
    """Prometheus text; in a thread, since several workers' files are read."""
    return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)

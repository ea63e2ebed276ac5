"""A CDS Hooks service of HealthChain, as its documents write one: it reads the prefetch into FHIR models and
answers with a card that says nothing. Run by an interpreter that has HealthChain; it imports nothing of ours."""

from healthchain.fhir import convert_prefetch_to_fhir_objects
from healthchain.gateway import CDSHooksService, HealthChainAPI
from healthchain.models import CDSRequest, CDSResponse

app = HealthChainAPI(title="beside Readmit")
service = CDSHooksService()


@service.hook("encounter-discharge", id="readmission-risk")
def answer(request: CDSRequest) -> CDSResponse:
    """One card: how many keys of the prefetch were read."""
    read = convert_prefetch_to_fhir_objects(request.prefetch or {})
    summary = f"{len(read)} keys read"
    source = {"label": "HealthChain"}
    return CDSResponse(cards=[{"summary": summary, "indicator": "info", "source": source}])


app.register_service(service)

"""Pages of the service: its settings, who may call, what it stores, counts and refuses."""

import json
from inspect import cleandoc

from pydantic_core import to_jsonable_python

from cds_service.backend_registration import Backend
from cds_service.metrics import REGISTRY
from cds_service.settings import Settings
from cds_service.storage.session_tables import SmartLaunchRow, SmartSessionRow
from cds_service.storage.tables import (
    AssessmentRow,
    AuditHeadRow,
    AuditRow,
    FeedbackRow,
    RefusedViewRow,
    SealedRow,
    SpentTokenRow,
)
from cds_service.storage.written import WrittenResourceRow
from cds_service.tenants import Alert, Api, Smart, Tenant
from docs import errors_page, reading_page, smart_pages, trust_pages
from docs.page import page, table

TABLES = (
    AssessmentRow,
    FeedbackRow,
    SealedRow,
    AuditRow,
    AuditHeadRow,
    SpentTokenRow,
    SmartLaunchRow,
    SmartSessionRow,
    RefusedViewRow,
    WrittenResourceRow,
)


def settings() -> str:
    """Every setting with its default."""
    rows = [
        (f"`READMIT_{name.upper()}`", _as_written(field.default), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    text = "Options of `readmit serve` of the same name win over the environment.\n"
    return page("Settings", text, table(("variable", "default", "meaning"), rows))


def metrics() -> str:
    """What `GET /metrics` counts."""
    rows = [(f"`{e.name}`", e.type, e.documentation) for e in REGISTRY.collect()]
    text = (
        "`GET /metrics` in the text format of Prometheus, summed over all workers. A counter ends in"
        " `_total`, a histogram in `_bucket`, `_sum` and `_count`. Label values come from the"
        " configuration and the code, never from a request.\n"
    )
    return page("Metrics", text, table(("name", "type", "meaning"), rows))


def tenants() -> str:
    """The file that says who is trusted."""
    head = ("field", "values", "default", "meaning")
    alerts = "\n## `[tenant.alerts.SERVICE-ID]`\n\nAt most one of the first three.\n\n"
    body = (
        "## `[[tenant]]`\n\n"
        + table(head, trust_pages.fields(Tenant))
        + alerts
        + table(head, trust_pages.fields(Alert))
        + "\n## `[tenant.smart]`\n\n"
        + table(head, trust_pages.fields(Smart))
        + "\n## `[tenant.backend]`\n\nWith it batch reads and writes (SMART Backend Services).\n\n"
        + table(head, trust_pages.fields(Backend))
        + "\n## `[tenant.api]`\n\n[The read API](read-api.md) has what a token must hold.\n\n"
        + table(head, trust_pages.fields(Api))
        + f"\n## A whole file\n\n{trust_pages.example()}"
    )
    return page("Tenants", trust_pages.TENANTS, body)


def client_authentication() -> str:
    """What a token must hold, and the reasons for refusing one."""
    head = ("`refused`", "meaning", "what to do")
    body = table(head, trust_pages.refusals())
    return page("Client authentication", trust_pages.CLIENT_AUTHENTICATION, body)


def smart() -> str:
    """Signing in to the SMART app, and the pages that say why not."""
    body = table(("`problem`", "status", "what happened", "what to do"), smart_pages.problems())
    return page("The SMART app", smart_pages.SMART, body)


def database() -> str:
    """Every table and column of the assessment store."""
    parts = [
        f"## `{stored.__tablename__}`\n\n{cleandoc(stored.__doc__ or '')}\n\n"
        + table(
            ("column", "type", "may be NULL", "meaning"),
            [
                (f"`{c.name}`", str(c.type).lower(), "yes" if c.nullable else "", c.doc or "")
                for c in stored.__table__.columns
            ],
        )
        for stored in TABLES
    ]
    text = (
        "SQLite or PostgreSQL, made and changed by migrations only. Ids, digests and results lie"
        " open and are chained; what a record said lies encrypted in `sealed` and can be purged."
        " [decisions/0013](../decisions/0013-audit.md) says why,"
        " [read an audit row](../how-to/read-an-audit-row.md) how to look at it.\n"
    )
    return page("Database", text, "\n".join(parts))


def read_api() -> str:
    """How stored assessments are read."""
    head = ("`refused`", "meaning", "what to do")
    fields = table(("field", "meaning"), reading_page.fields())
    body = fields + "\n" + reading_page.FHIR + "\n" + reading_page.REFUSED + "\n"
    return page("The read API", reading_page.ABOUT, body + table(head, reading_page.refusals()))


def errors() -> str:
    """Every answer that is not a 200."""
    body = (
        table(("status", "issue", "in the code", "meaning"), errors_page.answers())
        + f"\n{errors_page.ELSEWHERE}\n"
        + table(("`problem`", "status", "heading"), errors_page.pages())
    )
    return page("Errors", errors_page.ABOUT, body)


def _as_written(default: object) -> str:
    """A default as the environment would say it; empty where there is none."""
    if default is None:
        return ""
    plain = to_jsonable_python(default)
    return f"`{plain if isinstance(plain, str) else json.dumps(plain)}`"

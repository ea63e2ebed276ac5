"""What a page says of its session: whose it is, where its links begin, what was not granted."""

from cds_service.smart.app import SmartApp
from cds_service.smart.cookies import prefix
from cds_service.smart.session import AppSession
from cds_service.smart.view.page import Facts


def facts_of(session: AppSession, app: SmartApp) -> Facts:
    """The facts of this session, its addresses as browsers see them."""
    smart, under = session.tenant.smart, prefix(app.address)
    return Facts(
        organisation=(smart.title if smart else None) or session.tenant.name,
        csrf=session.csrf,
        home=f"{under}/smart/s/{session.id}/",
        static=f"{under}/smart/static/",
        denied=session.denied,
        narrowed=tuple(sorted(session.narrowed)),
        needs_banner=session.needs_banner,
        silent=session.tenant.silent,
    )

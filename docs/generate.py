"""Write the reference pages that derive from the code; `--check` fails where one is stale."""

import sys
from collections.abc import Callable
from pathlib import Path

from docs import catalogue_pages, cli_page, service_pages, speed_page
from docs.cards_page import cards_body
from docs.page import page, table
from docs.training_page import training_body

DOCS = Path(__file__).parent


def training() -> str:
    """The TOML of a training run."""
    text = (
        "`readmit-train` reads one TOML; `configs/` has those to start from. An unknown setting is"
        " refused. The run folder keeps the resolved settings as `config.toml`.\n"
    )
    return page("Training settings", text, training_body())


def cards() -> str:
    """What a clinician reads."""
    text = (
        "One of each kind, from the goldens in `tests/golden`: the summary, the indicator, the detail"
        " as Markdown, then what can be done. A stay has one card; decision 0014 says when another"
        " replaces it. The bundle of most of these was drawn for tests, so their numbers mean"
        " nothing.\n"
    )
    return page("Cards", text, cards_body())


def cli() -> str:
    """Both command lines."""
    head = ("option", "values", "default", "meaning")
    parts = [
        f"## `{name}`\n\n{words}\n" + (f"\n{table(head, rows)}" if rows else "")
        for name, words, rows in cli_page.commands()
    ]
    return page("Commands", cli_page.ABOUT, "\n".join(parts))


def speed() -> str:
    """What the benchmarks measured, beside what was to be reached."""
    parts = [
        "## Targets\n\n" + table(speed_page.TARGET_HEAD, speed_page.targets()),
        f"## What binds\n\n{speed_page.SEEN}\n"
        + "".join(f"{line}\n" for line in speed_page.binding()),
        *(
            f"## {name.capitalize()}\n\n"
            + table(speed_page.ROW_HEAD, speed_page.section_rows(name))
            + f"\n{speed_page.conditions(name)}\n"
            for name in speed_page.measured()
        ),
    ]
    return page("Speed", speed_page.ABOUT, "\n".join(parts))


PAGES: dict[str, Callable[[], str]] = {
    "reference/features.md": catalogue_pages.features,
    "reference/issues.md": catalogue_pages.issues,
    "reference/settings.md": service_pages.settings,
    "reference/prefetch.md": catalogue_pages.prefetch,
    "reference/metrics.md": service_pages.metrics,
    "reference/tenants.md": service_pages.tenants,
    "reference/client-authentication.md": service_pages.client_authentication,
    "reference/read-api.md": service_pages.read_api,
    "reference/smart.md": service_pages.smart,
    "reference/cli.md": cli,
    "reference/errors.md": service_pages.errors,
    "reference/cards.md": cards,
    "reference/training.md": training,
    "reference/database.md": service_pages.database,
    "results/speed.md": speed,
}


def main(arguments: list[str]) -> int:
    """Write every page, or with `--check` name those that are stale."""
    stale = [name for name, made in PAGES.items() if _text(DOCS / name) != made()]
    if "--check" in arguments:
        for name in stale:
            print(f"docs/{name} is stale: run `make docs`")
        return bool(stale)
    for name in stale:
        (DOCS / name).write_text(PAGES[name](), "utf-8")
    print(f"{len(stale)} of {len(PAGES)} pages rewritten")
    return 0


def _text(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

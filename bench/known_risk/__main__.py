"""`python -m bench.known_risk`: train on generated stays, compare with their true risk.

Writes docs/results/known_risk.md. A slow test runs the same measurement and holds it to its bounds.
"""

import argparse
from pathlib import Path

import torch
from rich.console import Console

from bench.known_risk.measure import NOMINAL, ROWS, Found, measure
from training.progress import bars
from training.runs import environment, write_whole

PAGE = Path("docs/results/known_risk.md")


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/known_risk"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    with bars(Console(stderr=True)) as progress:
        found = measure(options.run, ROWS, progress)
    write_whole(PAGE, page(found).encode())


def page(found: Found) -> str:
    """Markdown."""
    spreads = [f"| {spread:g} | {share:.1%} |" for spread, share in found.covered_by.items()]
    return "\n".join(
        (
            "# Generated stays whose risk is known",
            "",
            f"Written by `python -m bench.known_risk`. {ROWS:,} generated vectors of all 105 features, a fifth"
            " of the cells missing, risk a known function of the vector with ramps, a step, a bowl and an"
            f" interaction; figures on the {found.rows:,} stays of held_out ({found.positives:,} positive)."
            " SYNTHETIC: this shows that the method finds what is there, and says nothing about patients.",
            "",
            "| | found | bound |",
            "|---|---|---|",
            f"| AUROC of the true risk itself | {found.own_auroc:.4f} | |",
            f"| AUROC of the trained model | {found.auroc:.4f} | within 0.02 |",
            f"| calibration slope | {found.slope:.3f} | 0.9 to 1.1 |",
            f"| true probabilities inside the nominal {NOMINAL:.0%} interval | {found.covered:.1%} | at least 85 % |",
            f"| mean width of the interval | {found.width:.3f} | |",
            "",
            "How the share inside depends on the factor on the members' spread (`calibration.spread`):",
            "",
            "| factor | inside |",
            "|---|---|",
            *spreads,
            "",
            "```",
            environment().strip(),
            "```",
            "",
        )
    )


if __name__ == "__main__":
    main()

"""Figures of a report as SVG text: no clock, no random ids, readable on light and on dark."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from typing import Any

from training.appraisal import words
from training.appraisal.findings import Estimate, Evaluation, Performance
from training.rivals.optional import needed

# Mid tones that stand out from white and from near-black; styles tell them apart without colour.
_COLOURS = ("#2f7fd1", "#d1495b", "#3a9d5d", "#c7821a", "#8e6bbf", "#4c9a9a", "#9a7b4c")
_STYLES = ("-", "--", "-.", ":")
_INK = "#010203"  # becomes the page's own text colour
_RULES = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), _INK),
    **dict.fromkeys(("xtick.color", "ytick.color"), _INK),
}


@dataclass(frozen=True)
class Plot:
    """`svg` is inline mark-up of our own; `alt` says in words what it shows."""

    name: str
    title: str
    alt: str
    svg: str


def plots(evaluation: Evaluation) -> tuple[Plot, ...]:
    """Every figure that the evaluation has the numbers for."""
    drawn = [each for each in evaluation.performance if each.drawn]
    risks = [each for each in drawn if each.drawn and each.drawn.deciles]
    shown = [each for each in evaluation.subgroups if _estimated(each.performance[0].auroc)]
    found = []
    if drawn:
        found += [_roc(drawn), _precision_recall(drawn, evaluation)]
    if risks:
        found += [_calibration(risks), _decision_curve(risks)]
    if risks and risks[0] is drawn[0]:
        found.append(_deciles(risks[0]))
    if shown:
        found.append(_forest(evaluation))
    return tuple(found)


def _roc(drawn: list[Performance]) -> Plot:
    def draw(figure: Any) -> None:
        axes = _axes(figure, "1 - specificity", "Sensitivity")
        axes.plot((0, 1), (0, 1), color=_INK, linewidth=0.6)
        for place, each in enumerate(drawn):
            line = each.drawn.roc if each.drawn else None
            axes.plot(line.x if line else (), line.y if line else (), **_look(place, each))
        axes.legend(fontsize=8)

    alt = "ROC curves. AUROC: " + _listed(drawn, lambda each: words.show(each.auroc))
    return _plot("roc", "ROC", alt, draw)


def _precision_recall(drawn: list[Performance], evaluation: Evaluation) -> Plot:
    def draw(figure: Any) -> None:
        axes = _axes(figure, "Sensitivity (recall)", "Positive predictive value (precision)")
        prevalence = evaluation.cohort.prevalence
        if isinstance(prevalence, Estimate):
            axes.axhline(prevalence.value, color=_INK, linewidth=0.6)
        for place, each in enumerate(drawn):
            line = each.drawn.precision_recall if each.drawn else None
            axes.plot(line.x if line else (), line.y if line else (), **_look(place, each))
        axes.legend(fontsize=8)

    alt = "Precision-recall curves; the level line is the prevalence. AUPRC: "
    alt += _listed(drawn, lambda each: words.show(each.auprc))
    return _plot("precision-recall", "Precision and recall", alt, draw)


def _calibration(risks: list[Performance]) -> Plot:
    def draw(figure: Any) -> None:
        upper, lower = figure.subplots(2, 1, height_ratios=(4, 1), sharex=True)
        upper.plot((0, 1), (0, 1), color=_INK, linewidth=0.6)
        for place, each in enumerate(risks):
            tenths = each.drawn.deciles if each.drawn else ()
            predicted = [tenth.mean_predicted for tenth in tenths]
            upper.plot(predicted, [t.observed for t in tenths], marker="o", **_look(place, each))
        bars = risks[0].drawn.histogram if risks[0].drawn else ()
        edges = [(place + 0.5) / len(bars) for place in range(len(bars))]
        lower.bar(edges, [bar or 0 for bar in bars], 1 / len(bars), color=_COLOURS[0])
        highest = max(t.observed_high for each in risks for t in _tenths(each))
        upper.set(xlim=(0, 1), ylim=(0, min(1.0, 1.2 * highest)), ylabel="Observed rate")
        lower.set(xlabel="Predicted probability", ylabel="Stays")
        upper.legend(fontsize=8)

    alt = "Calibration by tenths of predicted risk, the diagonal is perfect; below, how many "
    alt += f"stays {risks[0].name} gives each probability (small bars hidden). Slope: "
    alt += _listed(risks, lambda each: words.show(each.slope))
    return _plot("calibration", "Calibration", alt, draw)


def _decision_curve(risks: list[Performance]) -> Plot:
    def draw(figure: Any) -> None:
        axes = _axes(figure, "Threshold probability", "Net benefit per stay", square=False)
        everyone = [(p.threshold, p.treat_all.value) for p in risks[0].decision_curve
                    if isinstance(p.treat_all, Estimate)]  # fmt: skip
        axes.plot(*zip(*everyone, strict=True), color=_INK, linewidth=1, label="Act for all")
        axes.axhline(0, color=_INK, linewidth=1, linestyle=":", label="Act for none")
        top = 0.0
        for place, each in enumerate(risks):
            line = [(p.threshold, p.net_benefit.value) for p in each.decision_curve
                    if isinstance(p.net_benefit, Estimate)]  # fmt: skip
            axes.plot(*zip(*line, strict=True), **_look(place, each))
            top = max(top, *(benefit for _, benefit in line))
        axes.set_ylim(-0.1 * top - 0.005, 1.15 * top + 0.005)
        axes.legend(fontsize=8)

    alt = "Decision curves: net benefit over threshold probability for acting on "
    alt += ", ".join(each.name for each in risks) + ", for all stays and for none"
    return _plot("decision-curve", "Decision curve", alt, draw)


def _deciles(first: Performance) -> Plot:
    tenths = _tenths(first)

    def draw(figure: Any) -> None:
        axes = _axes(figure, "Tenth of predicted risk", "Rate", square=False)
        at = range(1, len(tenths) + 1)
        axes.plot(at, [t.mean_predicted for t in tenths], "_", ms=14, color=_COLOURS[0],
                  label="Mean predicted")  # fmt: skip
        _whiskers(axes, [a + 0.12 for a in at], [t.observed for t in tenths],
                  [(t.observed_low, t.observed_high) for t in tenths], _COLOURS[1])  # fmt: skip
        if tenths[0].interval_low is not None:
            axes.bar(at, [(t.interval_high or 0) - (t.interval_low or 0) for t in tenths], 0.6,
                     [t.interval_low or 0 for t in tenths], color=_COLOURS[0], alpha=0.35,
                     label="Mean interval")  # fmt: skip
        axes.plot([], [], "o", color=_COLOURS[1], label="Observed, binomial interval")
        axes.legend(fontsize=8)

    alt = "By tenth of predicted risk, mean predicted and observed: " + "; ".join(
        f"{place}: {t.mean_predicted:.3f} and {t.observed:.3f}"
        for place, t in enumerate(tenths, start=1)
    )
    return _plot("deciles", f"Observed rate and interval, {first.name}", alt, draw)


def _forest(evaluation: Evaluation) -> Plot:
    rows = [
        (f"{each.axis}: {each.level}", each.performance[0].auroc) for each in evaluation.subgroups
    ]
    rows = [("all stays", evaluation.performance[0].auroc), *rows]
    known = [(name, found) for name, found in rows if isinstance(found, Estimate)]

    def draw(figure: Any) -> None:
        axes = _axes(figure, "AUROC", "", square=False)
        at = list(range(len(known)))[::-1]
        low = [found.value - found.low for _, found in known]
        high = [found.high - found.value for _, found in known]
        axes.errorbar([found.value for _, found in known], at, xerr=(low, high), fmt="o",
                      color=_COLOURS[0], capsize=2)  # fmt: skip
        axes.axvline(known[0][1].value, color=_INK, linewidth=0.6)
        axes.set_yticks(at, [name for name, _ in known])

    alt = f"AUROC of {evaluation.performance[0].name} by subgroup: " + "; ".join(
        f"{name} {words.show(found)}" for name, found in known
    )
    return _plot("forest", "Subgroups", alt, draw, height=1.5 + 0.28 * len(known))


def _plot(
    name: str, title: str, alt: str, draw: Callable[[Any], None], *, height: float = 4.2
) -> Plot:
    with needed("matplotlib").rc_context({**_RULES, "svg.hashsalt": name}):
        figure = needed("matplotlib.figure").Figure(figsize=(6, height), layout="constrained")
        draw(figure)
        written = StringIO()
        blank = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(written, format="svg", transparent=True, metadata=blank)
    return Plot(name, title, alt, _inline(written.getvalue(), name))


def _inline(svg: str, name: str) -> str:
    body = svg[svg.index("<svg") :].replace(_INK, "currentColor")
    body = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", body)
    return body.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1).strip()


def _axes(figure: Any, x: str, y: str, *, square: bool = True) -> Any:
    axes = figure.subplots()
    axes.set(xlabel=x, ylabel=y)
    if square:
        axes.set(xlim=(0, 1), ylim=(0, 1))
    return axes


def _look(place: int, performance: Performance) -> dict[str, Any]:
    return {
        "color": _COLOURS[place % len(_COLOURS)],
        "linestyle": _STYLES[place % len(_STYLES)],
        "linewidth": 2 if place == 0 else 1.3,
        "label": performance.name,
    }


def _whiskers(axes: Any, x: list[float], y: list[float], ends: Any, colour: str) -> None:
    low = [value - end[0] for value, end in zip(y, ends, strict=True)]
    high = [end[1] - value for value, end in zip(y, ends, strict=True)]
    axes.errorbar(x, y, yerr=(low, high), fmt="o", color=colour, capsize=2)


def _tenths(performance: Performance) -> Any:
    return performance.drawn.deciles if performance.drawn else ()


def _estimated(metric: object) -> bool:
    return isinstance(metric, Estimate)


def _listed(performances: list[Performance], text: Callable[[Performance], str]) -> str:
    return "; ".join(f"{each.name} {text(each)}" for each in performances)

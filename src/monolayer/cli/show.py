"""How runs and sweeps are shown on a terminal."""

from collections.abc import Sequence
from typing import Any

from monolayer.checks.certificate import Certificate
from monolayer.cli.console import print_line, print_table
from monolayer.evaluate.metrics import ROW_NAMES, Metrics, format_accuracy, format_loss
from monolayer.findings import Finding
from monolayer.recipe.grid import format_value
from monolayer.training.run import Run
from monolayer.tuning.sweep import Sweep


def _format(metrics: Metrics) -> str:
    return format_accuracy(metrics.accuracy, metrics.n)


def show_run(run: Run) -> None:
    """Print the metrics of a run as a table, then its findings."""
    rows = [
        [ROW_NAMES[name], str(m.n), format_loss(m.loss), format_loss(m.cost), _format(m)]
        for name, m in run.evaluation.items()
    ]
    title = f"{len(run.history)} of {run.recipe.epochs} epochs in {run.seconds:.1f} s"
    print_table(title, ["rows", "n", "loss", "cost", "accuracy % [95 % interval]"], rows)
    show_findings(run.findings)


def show_findings(findings: Sequence[Finding]) -> None:
    """Print the findings that need attention, and a summary of all checks."""
    from monolayer.checks.diagnose import summarise_findings

    for finding in findings:
        if finding.is_news:
            show_finding(finding)
    if findings:
        print_line(f"{summarise_findings(findings)} (docs/findings).")


def show_finding(finding: Finding) -> None:
    """Print a finding on one line."""
    print_line(f"{finding.code} [{finding.outcome}] {finding.title}: {finding.evidence} {finding.advice}")


def show_certificate(certificate: Certificate) -> None:
    """Print the distance of the run from the optimum."""
    print_line(certificate.describe_optimum())
    print_line(certificate.describe())


def describe_plan(plan: dict[str, Any]) -> str:
    """The plan of a sweep in one sentence."""
    rungs = [f", {rung['n_kept']} continue after {100 * rung['share']:.3g} % of their epochs" for rung in plan["rungs"]]
    n_recipes, n_banks, mib = plan["n_recipes"], len(plan["banks"]), plan["memory_bytes"] / 2**20
    banks = f"{n_banks} bank{'s'[: n_banks != 1]}{''.join(rungs)}"
    return (
        f"{n_recipes} recipe{'s'[: n_recipes != 1]} in {banks}: {plan['epochs_of_members']:,} epochs in total, "
        f"{plan['operations']:.2g} operations, up to {mib:,.0f} MiB in addition to the data."
    )


def show_plan(plan: dict[str, Any]) -> None:
    """Print the banks of a sweep that is not run, and its estimated time."""
    columns = ["bank", *plan["banks"][0]]
    rows = [[str(i), *(str(bank[name]) for name in columns[1:])] for i, bank in enumerate(plan["banks"], 1)]
    print_table("Banks", columns, rows)
    print_line(describe_plan(plan))
    print_line(f"About {plan['seconds']:,.3g} s, estimated from a few timed batches; nothing was trained.")


def show_sweep(sweep: Sweep, top: int, n_trials: int = 0) -> None:
    """Print the best runs of a sweep, or of a search with ``n_trials``, and how far their ranking can be trusted."""
    from monolayer.reports.sweep import describe_halving, describe_selection

    epochs = ["epochs"] if sweep.rungs else []
    rows = [
        [
            *(format_value(getattr(run.recipe, axis)) for axis in sweep.axes),
            *([str(len(run.history))] if epochs else []),
            *split_interval(run),
            "=" if sweep.describe_rank(place)["is_indistinguishable"] else "",
            f"{100 * run.evaluation['train'].accuracy:.2f}",
        ]
        for place, run in enumerate(sweep.runs[:top])
    ]
    columns = [*(axis.replace("_", " ") for axis in sweep.axes), *epochs, "val %", "95 % interval", "=", "train %"]
    print_table(f"Best {len(rows)} of {len(sweep.runs)} recipes, {sweep.seconds:.1f} s", columns, rows)
    if sweep.selection:
        described = sweep.to_dict()
        for sentence in (*describe_selection(described, sweep.axes), describe_halving(described)):
            if sentence:
                print_line(sentence)
    show_findings(sweep.findings)
    if not sweep.is_complete:
        print_line(
            f"Stopped: {sum(run.is_complete for run in sweep.runs)} of {sweep.n_recipes} recipes completed all epochs."
        )
    if diverged := [run for run in sweep.runs if run.has_diverged]:
        example = min(diverged, key=lambda run: run.recipe.learning_rate)
        named = ", ".join(f"{axis} {format_value(getattr(example.recipe, axis))}" for axis in sweep.axes)
        print_line(f"{len(diverged)} of {len(sweep.runs)} recipes diverged and rank last, such as {named}:")
        for finding in example.findings:  # the only finding of a run in a sweep is its divergence
            if finding.is_news:
                show_finding(finding)
    if sweep.is_complete and len(sweep.runs) < n_trials:
        print_line(f"{n_trials} trials; repeated proposals count once: {len(sweep.runs)} recipes.")


def split_interval(run: Run) -> tuple[str, str]:
    """Validation accuracy and its interval as two cells; ``diverged`` for a run that diverged."""
    if run.has_diverged:
        return "diverged", ""
    accuracy, _, interval = _format(run.evaluation["val"]).partition(" ")
    return accuracy, interval

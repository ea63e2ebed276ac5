"""Which pretraining an encoder starts from, by the names that the ablation uses."""

from training.appraisal.ablation import Arm
from training.experiment import Experiment
from training.stages import Start, align, pretrain


def starts_of(experiment: Experiment, arm: Arm) -> list[Start]:
    """Where each member starts: as many pretrainings as the settings ask for, counted round."""
    runs = experiment.settings.pretraining.runs
    found = [start_of(experiment, arm, run) for run in range(runs)]
    return [found[member % runs] for member in range(experiment.settings.finetuning.members)]


def start_of(experiment: Experiment, arm: Arm, run: int = 0) -> Start:
    """Weights after the stages of `arm`, from the run's folder where they are done."""
    part = f"/{run}" if experiment.settings.pretraining.runs > 1 else ""
    match arm:
        case "random":
            return None
        case "masked":
            return pretrain(experiment, f"pretrain{part}")
        case "contrastive":
            return align(experiment, None, f"align_only{part}")
        case "masked+contrastive":
            return align(experiment, pretrain(experiment, f"pretrain{part}"), f"align{part}")


def full_arm(experiment: Experiment) -> Arm:
    """What the run's own model starts from: without notes, stage 1 alone."""
    return "masked+contrastive" if experiment.settings.alignment else "masked"

"""Which pretraining an encoder starts from, by the names that the ablation uses."""

from training.appraisal.ablation import Arm
from training.experiment import Experiment
from training.stages import Start, align, pretrain


def start_of(experiment: Experiment, arm: Arm) -> Start:
    """Weights after the stages of `arm`, from the run's folder where they are done."""
    match arm:
        case "random":
            return None
        case "masked":
            return pretrain(experiment)
        case "contrastive":
            return align(experiment, None, name="align_only")
        case "masked+contrastive":
            return align(experiment, pretrain(experiment))


def full_arm(experiment: Experiment) -> Arm:
    """What the run's own model starts from: without notes, stage 1 alone."""
    return "masked+contrastive" if experiment.settings.alignment else "masked"

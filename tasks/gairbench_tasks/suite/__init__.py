"""Public datasets that TorchGeo's classes read, or ours in their manner, as tasks; their files are the user's to get.

One module for each kind of question, and one for a benchmark of many. Everything that is declared of a dataset is its
class's, its paper's or its files' own; where TorchGeo's documentation says otherwise than its code does, a comment says
so.
"""

from __future__ import annotations

from gairbench import DatasetSpec, TaskSpec
from gairbench_tasks.suite.change import CHANGE
from gairbench_tasks.suite.copernicus import COPERNICUS
from gairbench_tasks.suite.locbench import LOCBENCH
from gairbench_tasks.suite.masks import MASKS
from gairbench_tasks.suite.measurements import MEASUREMENTS
from gairbench_tasks.suite.pangaea import PANGAEA
from gairbench_tasks.suite.photos import PHOTOS
from gairbench_tasks.suite.places import PLACES
from gairbench_tasks.suite.scenes import SCENES

TASKS: tuple[TaskSpec, ...] = (
    *SCENES,
    *MASKS,
    *CHANGE,
    *MEASUREMENTS,
    *COPERNICUS,
    *PANGAEA,
    *PHOTOS,
    *PLACES,
    *LOCBENCH,
)
DATASETS: tuple[DatasetSpec, ...] = tuple(dict.fromkeys(task.dataset for task in TASKS))

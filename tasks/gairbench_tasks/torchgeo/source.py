"""Make a task dataset of a TorchGeo dataset; importing this module imports neither torch nor torchgeo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gairbench.errors import PluginError
from gairbench.spec import DataContext
from gairbench_tasks.torchgeo.declaration import DATA_FILES, GROUP, INDEX, Draw, Grid, Label, Part, TorchGeoDeclaration

if TYPE_CHECKING:
    from gairbench_tasks.torchgeo.opened import OpenedSource

__all__ = ["DATA_FILES", "GROUP", "INDEX", "Draw", "Grid", "Label", "Part", "TorchGeoSource"]


@dataclass(frozen=True, slots=True)
class TorchGeoSource(TorchGeoDeclaration):
    """The factory of a dataset that a TorchGeo class reads from the spec's ``folder``.

    Samples are those of the class: same pixels, same labels, in the files' units. What ``delivers`` declares of them is
    checked against what the class says of itself. Nothing is ever downloaded.

    The arguments are those of :class:`gairbench_tasks.torchgeo.declaration.TorchGeoDeclaration`.

    Example:
        .. code-block:: python

            DatasetSpec(
                name="eurosat",
                version=1,
                folder="eurosat",
                factory=TorchGeoSource("torchgeo.datasets:EuroSAT", options={"bands": ("B04", "B03", "B02")}),
                delivers=(ImageInput(modality=Modality.RS, unit=Unit.S2_DN, size=64, gsd_m=10.0),),
            )
    """

    def __call__(self, context: DataContext) -> OpenedSource:
        """Return the data below a data root; they are opened when they are first needed.

        Raises:
            PluginError: The declaration contradicts itself or the spec.
        """
        from gairbench_tasks.torchgeo.opened import OpenedSource

        if context.dataset is None or context.root is None or not context.dataset.folder:
            name = "" if context.dataset is None else f" of dataset {context.dataset.name!r}"
            raise PluginError(f"the TorchGeoSource{name} has no folder", "name the 'folder' of its DatasetSpec")
        return OpenedSource(self, context.dataset, context.root / context.dataset.folder)

    @property
    def downloads(self) -> bool:
        """Whether :meth:`fetch` can get the data; otherwise people get them from ``page``."""
        return not self.page

    def fetch(self, folder: Path) -> None:
        """Let the class download what a folder lacks, and compare it with the checksums that the class has.

        Raises:
            PluginError: The class does not exist in this version, or a package is missing.
            UsageError: The class cannot download.
        """
        from gairbench_tasks.torchgeo.building import download_dataset

        download_dataset(self, folder)

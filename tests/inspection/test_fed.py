"""What an encoder is fed with, as numbers."""

from __future__ import annotations

import torch

from gairbench.feeding import feed_for
from gairbench.inputs import ImageInput, Modality, Unit
from gairbench.inspection.fed import what_is_fed
from gairbench.representation import RS
from gairbench.spec import DatasetSpec, Preset

DELIVERED = ImageInput(modality=Modality.RS, bands=("B4", "B3"), unit=Unit.S2_DN, size=4, frames=(1, 3))


def test_frames_that_pad_a_short_series_are_not_counted() -> None:
    preset = Preset(name="default", inputs=(DELIVERED,))
    feed = feed_for(preset, RS, [DELIVERED], [DELIVERED])
    samples = [{"image": torch.full((frames, 2, 4, 4), 1_000.0 * frames)} for frames in (1, 3)]
    batch = feed.batch(samples)
    assert batch.images["rs"].values.shape[1] == 3
    dataset = DatasetSpec(name="d", version=1, factory="", delivers=(DELIVERED,))
    (image,) = what_is_fed(feed, samples, batch, dataset).images
    for band in image.bands:
        assert band.before is not None
        assert band.before.count == band.after.count == 4 * 16
        assert (band.after.least, band.after.most) == (1_000, 3_000)
    assert image.about["shape"] == "(1, 2, 4, 4) and 1 others -> (3, 2, 4, 4)"


def test_bands_that_the_data_lack_are_said_to_be_filled_and_are_not_suspicious() -> None:
    wanted = ImageInput(modality=Modality.RS, bands=("B4", "B8"), unit=Unit.REFLECTANCE, size=4, missing="zero")
    delivered = ImageInput(modality=Modality.RS, bands=("B3", "B4"), unit=Unit.S2_DN, size=4)
    feed = feed_for(Preset(name="default", inputs=(wanted,)), RS, [delivered], [delivered])
    samples = [{"image": torch.rand(2, 4, 4) * 3_000} for _ in range(3)]
    dataset = DatasetSpec(name="d", version=1, factory="", delivers=(delivered,))
    fed = what_is_fed(feed, samples, feed.batch(samples), dataset)
    red, infrared = fed.images[0].bands
    assert (red.source, infrared.source) == ("B4", "")
    assert infrared.before is None
    assert infrared.after.all_equal
    assert fed.images[0].conversion["dropped"] == ["B3"]
    assert fed.suspicions == ()
    assert fed.different == 3

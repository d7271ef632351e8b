"""Datasets that TorchGeo has no class for, as classes in TorchGeo's manner: root, split, transforms, ``plot``.

They know nothing of gairbench, so that each could be sent to TorchGeo; the modules above make
tasks of them.
"""

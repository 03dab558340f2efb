"""Every kind of network, of fields on grids and of coordinates: the type of the `network` section."""

from typing import Annotated

from pydantic import Field

from pdejax.config._field_network import SIREN, GaussianLattice, Gaussians, MLPField, PirateNet
from pdejax.config._network import FNO, LSM, ConvNeXtUNet, DilatedResNet, Perceptron, UNet

Network = Annotated[
    FNO
    | LSM
    | UNet
    | DilatedResNet
    | ConvNeXtUNet
    | Perceptron
    | Gaussians
    | GaussianLattice
    | MLPField
    | SIREN
    | PirateNet,
    Field(discriminator="kind"),
]

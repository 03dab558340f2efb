"""Networks: pure, batch-native functions of channels-last fields, and the layers they are made of."""

from pdejax.networks._activations import ACTIVATIONS as ACTIVATIONS
from pdejax.networks._build import NETWORKS as NETWORKS
from pdejax.networks._build import build_network as build_network
from pdejax.networks._build import network_options as network_options
from pdejax.networks._channel_mlp import ChannelMLP as ChannelMLP
from pdejax.networks._conv import Conv as Conv
from pdejax.networks._convnext import ConvNeXtUNet as ConvNeXtUNet
from pdejax.networks._film import FiLM as FiLM
from pdejax.networks._fno import FNO as FNO
from pdejax.networks._fno import FNOBlock as FNOBlock
from pdejax.networks._kernel import choose_kernel as choose_kernel
from pdejax.networks._linear import Linear as Linear
from pdejax.networks._lsm import LSM as LSM
from pdejax.networks._neural_spectral_block import NeuralSpectralBlock as NeuralSpectralBlock
from pdejax.networks._neuraloperator import from_neuraloperator as from_neuraloperator
from pdejax.networks._neuraloperator import load_neuraloperator as load_neuraloperator
from pdejax.networks._norm import GroupNorm as GroupNorm
from pdejax.networks._resnet import DilatedResNet as DilatedResNet
from pdejax.networks._skip import SoftGating as SoftGating
from pdejax.networks._spectral_conv import SpectralConv as SpectralConv
from pdejax.networks._unet import UNet as UNet

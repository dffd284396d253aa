"""How representations form: representations, weights and gradients aligned in training, beside what chance gives."""

from __future__ import annotations

from featuregeom.formation.agop import agop
from featuregeom.formation.alignment import KINDS, Alignment, alignment
from featuregeom.formation.ansatz import VARIANTS, Fact, Nfa, Variant, fact, nfa
from featuregeom.formation.balance import Balance, balancedness
from featuregeom.formation.canonical import RELATIONS, Crh, TiedNull, crh, stationarity
from featuregeom.formation.collapse import NeuralCollapse, neural_collapse
from featuregeom.formation.collect import collect
from featuregeom.formation.covariance_folder import SavedMoments, collect_folder
from featuregeom.formation.entropy import (
    effective_rank,
    entropy_gradient,
    entropy_null,
    renyi_entropy,
    von_neumann_entropy,
)
from featuregeom.formation.losses import GRADIENTS
from featuregeom.formation.moments import LayerMoments, Moments
from featuregeom.formation.powers import PHASES, PowerLaw, PowerPhase, power_law, power_phase
from featuregeom.formation.quantities import QUANTITIES
from featuregeom.formation.recorder import Recorder, RecordingCost
from featuregeom.formation.regulariser import entropy_regulariser
from featuregeom.formation.sides import STATISTICS, Sides, sides

__all__ = [
    "GRADIENTS",
    "KINDS",
    "PHASES",
    "QUANTITIES",
    "RELATIONS",
    "STATISTICS",
    "VARIANTS",
    "Alignment",
    "Balance",
    "Crh",
    "Fact",
    "LayerMoments",
    "Moments",
    "NeuralCollapse",
    "Nfa",
    "PowerLaw",
    "PowerPhase",
    "Recorder",
    "RecordingCost",
    "SavedMoments",
    "Sides",
    "TiedNull",
    "Variant",
    "agop",
    "alignment",
    "balancedness",
    "collect",
    "collect_folder",
    "crh",
    "effective_rank",
    "entropy_gradient",
    "entropy_null",
    "entropy_regulariser",
    "fact",
    "neural_collapse",
    "nfa",
    "power_law",
    "power_phase",
    "renyi_entropy",
    "sides",
    "stationarity",
    "von_neumann_entropy",
]
__dir__ = __all__.copy

"""The laws of a destination: each module registers its own. docs/reference/laws.md has them in their order."""

from . import call_sequences as call_sequences
from . import checkpoints as checkpoints
from . import entities as entities
from . import interruption as interruption
from . import modes as modes
from . import refusals as refusals
from . import values as values

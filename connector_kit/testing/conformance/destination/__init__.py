"""The laws of a destination: each module registers its own. docs/reference/laws.md has them in their order."""

from . import append as append
from . import atomic as atomic
from . import cancelled as cancelled
from . import checkpoints as checkpoints
from . import entities as entities
from . import evolution as evolution
from . import history as history
from . import lazy as lazy
from . import lifecycle as lifecycle
from . import names as names
from . import provisional as provisional
from . import refusals as refusals
from . import replace as replace
from . import reset as reset
from . import upsert as upsert
from . import values as values

"""The laws of a wrapper: each module registers its own. docs/reference/laws.md has them in their order."""

from . import bounded as bounded
from . import cancellation as cancellation
from . import errors as errors
from . import methods as methods
from . import overhead as overhead
from . import reads as reads

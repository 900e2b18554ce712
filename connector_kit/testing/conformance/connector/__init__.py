"""The laws of a connector: each module registers its own. docs/reference/laws.md has them in their order."""

from . import catalog as catalog
from . import closing as closing
from . import cursors as cursors
from . import errors as errors
from . import lifecycle as lifecycle
from . import progress as progress
from . import resume as resume
from . import sample as sample
from . import shape as shape
from . import since as since

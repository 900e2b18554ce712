"""The laws of a wrapper: each module registers its own. docs/reference/laws.md has them in their order."""

from . import bounded as bounded
from . import cancellable as cancellable
from . import closing as closing
from . import exact as exact
from . import honest as honest
from . import independent as independent
from . import overhead as overhead
from . import scopes as scopes
from . import transparent as transparent
from . import whole as whole

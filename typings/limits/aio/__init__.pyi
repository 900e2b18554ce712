from . import storage as storage
from . import strategies as strategies

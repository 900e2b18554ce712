from limits import RateLimitItem

from .storage import MemoryStorage

class MovingWindowRateLimiter:
    def __init__(self, storage: MemoryStorage) -> None: ...
    async def hit(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool: ...

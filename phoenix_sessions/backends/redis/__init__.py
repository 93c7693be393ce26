"""Sessions in Redis or Valkey, for sites with more than one OS process; needs the extra ``redis``."""

from .backend import RedisBackend

__all__ = ["RedisBackend"]

"""What Redis does for each verb of leases, in one step: the text of the scripts.

Rules:
    1. A lease is a hash: its owner, its fencing number, and until when it lasts.
    2. A number is greater than all earlier ones: it is at least the time, and the hash outlives the lease by a day.
    3. Times are whole milliseconds; the time is the first argument, "" = the server's.
"""

from __future__ import annotations

from typing import Final

NOW: Final = """
local now = ARGV[1]
if now == '' then
    local time = redis.call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
else
    now = tonumber(now)
end
"""

_LEASE: Final = (
    NOW
    + """
local lease = redis.call('HMGET', KEYS[1], 'owner', 'fence', 'until')
local owner, fence, till = lease[1], tonumber(lease[2] or '0'), tonumber(lease[3] or '0')
local function hold()
    redis.call('HSET', KEYS[1], 'owner', ARGV[2], 'fence', fence, 'until', now + ARGV[3])
    redis.call('PEXPIRE', KEYS[1], ARGV[3] + 86400000)
end
"""
)

# The answer: the fencing number, 0 = somebody else's; and how long it lasts.
CLAIM: Final = (
    _LEASE
    + """
if till <= now then
    fence = math.max(fence + 1, now)
elseif owner ~= ARGV[2] then
    return {0, till - now}
end
hold()
return {fence, ARGV[3]}
"""
)

RENEW: Final = (
    _LEASE
    + """
if owner ~= ARGV[2] or fence ~= tonumber(ARGV[4]) or till <= now then return 2 end
hold()
return 1
"""
)

RELEASE: Final = (
    _LEASE
    + """
if owner == ARGV[2] and fence == tonumber(ARGV[4]) then redis.call('HSET', KEYS[1], 'until', 0) end
return 1
"""
)

"""What Redis does for each verb, in one step: the text of the scripts.

Rules:
    1. A script checks all that it has to check before it changes anything, so that a refusal leaves nothing behind.
    2. The first write is one that a full or read-only server refuses: then nothing was done.
    3. Every key that is used has the session's hash tag, and is declared; but for SCAN, which walks over one server,
       and for a call with the first key alone, while a slot moves to another node: then a cluster refuses calls with
       keys of which one is not there, though it be nowhere. Such a call looks itself whether the others are on their
       way.
    4. Times are whole milliseconds; where the time counts it is the first argument, "" = the server's.
    5. An answer is 0 (there is none), 1 (done), 2 (fenced), a record (a conflict), or what stands at the script.

How a record is built is said in records.py; here its bytes are counted from 1. PUBLISH and CHANNEL are filled in by
scripts.py.
"""

from __future__ import annotations

from typing import Final

from .lua_leases import NOW

# The record, counted from 1 as Lua does: see records.py.
_HEAD: Final = """
local key = KEYS[1]
local head = redis.call('GETRANGE', key, 0, 383)
if head == '' then return 0 end
if #head < 32 or string.byte(head) ~= 1 then return redis.error_reply('MALFORMED record') end
"""

_KEYS: Final = """
local logs, acts = KEYS[2] or KEYS[1] .. ':log', KEYS[3] or KEYS[1] .. ':actions'
"""

# At the node that a slot leaves there can be no new key; at the one that takes it over, a key may be missing yet.
_ALL_HERE: Final = """
local flags = string.byte(head, 23)
if #KEYS == 1 then
    local function away(name, exists)
        local found = redis.pcall('EXISTS', name)
        return type(found) == 'table' or exists and found == 0
    end
    local logged, acted = flags % 2 == 1, flags >= 2
    if (logged or NEW_LOG) and away(logs, logged) or (acted or NEW_ACTIONS) and away(acts, acted) then
        return redis.error_reply('TRYAGAIN keys of the session are on their way')
    end
end
"""

_ALL_OLD_HERE: Final = _ALL_HERE.replace("NEW_LOG", "false").replace("NEW_ACTIONS", "false")

_END: Final = """
redis.call('DEL', key)
if flags % 2 == 1 then redis.call('DEL', logs) end
if flags >= 2 then redis.call('DEL', acts) end
"""

_FENCE: Final = """
local fence = string.sub(head, 25, 32)
if FENCE ~= '' and FENCE ~= fence then
    if struct.unpack('>I8', FENCE) < struct.unpack('>I8', fence) then return 2 end
    fence = FENCE
    redis.call('SETRANGE', key, 24, fence)
end
"""

_PAST: Final = """
local ids = string.sub(head, 33, 32 + 8 * string.byte(head, 24))
local past = string.sub(head, 1, 13) .. string.sub(ids, -8)
"""

_KEEP: Final = """
local function keep(key)
    if ttl == '' then redis.call('PERSIST', key) else redis.call('PEXPIRE', key, ttl) end
end
local function set(key, value)
    if ttl == '' then redis.call('SET', key, value) else redis.call('SET', key, value, 'PX', ttl) end
end
"""

_HAS: Final = """
local function has(names, name)
    local at = string.find(names, name, 1, true)
    while at and at % 8 ~= 1 do at = string.find(names, name, at + 1, true) end
    return at
end
"""

COMMIT: Final = (
    _HEAD
    + _KEYS
    + _HAS
    + """
local id, from, to, ttl, notice, state, actions = unpack(ARGV, 2, 8)
local at = string.sub(from, 1, 13)
local b1, b2, b3 = string.byte(head, 14, 16)
local count = string.byte(head, 24)
local size = 32 + 8 * count + b1 * 65536 + b2 * 256 + b3
if size > #head then head = redis.call('GETRANGE', key, 0, size - 1) end
if size > #head then return redis.error_reply('MALFORMED record') end
local ids = string.sub(head, 33, 32 + 8 * count)
if has(ids, id) then return 1 end
"""
    + _ALL_HERE.replace("NEW_LOG", "#ARGV > 10").replace("NEW_ACTIONS", "actions ~= ''")
    + _FENCE.replace("FENCE", "ARGV[9]")
    + """
if string.sub(head, 1, 13) .. string.sub(ids, -8) ~= from then return redis.call('GET', key) end
local done = ''
if actions ~= '' then
    done = redis.call('GET', acts) or ''
    local repeated = {}
    for first = 1, #actions, 8 do
        local action = string.sub(actions, first, first + 7)
        if has(done, action) then repeated[#repeated + 1] = action end
    end
    if #repeated > 0 then return repeated end
    done = string.sub(done .. actions, -2048)
end
if #ARGV > 10 then redis.call('LLEN', logs) end
"""
    + NOW
    + _KEEP
    + """
local limit = tonumber(ARGV[10])
local logged, acted = flags % 2 == 1, flags >= 2 or actions ~= ''
local forget = logged and (string.sub(to, 1, 8) ~= string.sub(at, 1, 8) or #ARGV > 10 and limit == 0)
logged = logged and not forget or #ARGV > 10 and limit > 0
local used = struct.pack('>I6', now) .. string.char((logged and 1 or 0) + (acted and 2 or 0))
if to == at then
    redis.call('SETRANGE', key, 16, used)
    keep(key)
else
    ids = string.sub(ids .. id, -128)
    set(key, to .. string.sub(head, 14, 16) .. used .. string.char(#ids / 8) .. fence .. ids
        .. string.sub(head, 33 + 8 * count, size) .. state)
end
if forget then redis.call('DEL', logs) end
if logged then
    for first = 11, #ARGV, 1000 do
        redis.call('RPUSH', logs, unpack(ARGV, first, math.min(first + 999, #ARGV)))
    end
    if #ARGV > 10 then redis.call('LTRIM', logs, -limit, -1) end
    keep(logs)
end
if actions ~= '' then set(acts, done) elseif acted then keep(acts) end
if notice ~= '' then redis.call('PUBLISH', CHANNEL, notice) end
return 1
"""
)

CREATE: Final = (
    NOW
    + _KEYS
    + """
local ttl = ARGV[2]
local found = redis.call('GET', KEYS[1])
if found then return found end
"""
    + _KEEP
    + """
set(KEYS[1], ARGV[3] .. struct.pack('>I6', now) .. '\\0\\0' .. ARGV[4] .. ARGV[5])
redis.call('DEL', logs)
redis.call('DEL', acts)
return 1
"""
)

LOAD: Final = (
    _HEAD
    + _FENCE.replace("FENCE", "ARGV[2]")
    + _PAST
    + """
if past == ARGV[1] then return 1 end
return redis.call('GET', key)
"""
)

TOUCH: Final = (
    _HEAD
    + _KEYS
    + _ALL_OLD_HERE
    + NOW
    + """
local ttl = ARGV[2]
"""
    + _KEEP
    + """
redis.call('SETRANGE', key, 16, struct.pack('>I6', now))
keep(key)
if flags % 2 == 1 then keep(logs) end
if flags >= 2 then keep(acts) end
return 1
"""
)

# The answer: "" = ended, or how long it is until it may be.
EXPIRE: Final = (
    _HEAD
    + _KEYS
    + _ALL_OLD_HERE
    + NOW
    + """
local left = struct.unpack('>I6', head, 17) + tonumber(ARGV[2]) - now
if left > 0 then return tostring(left) end
"""
    + _END
    + """
if ARGV[3] ~= '' then redis.call('PUBLISH', CHANNEL, ARGV[3]) end
return ''
"""
)

DELETE: Final = (
    _HEAD
    + _KEYS
    + _ALL_OLD_HERE
    + _PAST
    + """
if ARGV[1] ~= '' and past ~= ARGV[1] then return redis.call('GET', key) end
"""
    + _END
    + """
if ARGV[2] ~= '' then redis.call('PUBLISH', CHANNEL, ARGV[2]) end
return 1
"""
)

LOG: Final = "return redis.call('LRANGE', KEYS[1], 0, -1)"

ACTIONS: Final = "return redis.call('GET', KEYS[1]) or ''"

# The answer: the next cursor, then a key and a birth for each session. What is no session is passed over, and what a
# cluster's node holds but has no right to.
SCAN: Final = """
local page = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3], 'TYPE', 'string')
local found = {page[1]}
for _, key in ipairs(page[2]) do
    local head = redis.pcall('GETRANGE', key, 0, 31)
    if type(head) == 'table' then
        if not string.find(head.err, 'non local key', 1, true) then return head end
    elseif #head == 32 and string.byte(head) == 1 then
        local b1, b2, b3 = string.byte(head, 14, 16)
        local first = 32 + 8 * string.byte(head, 24)
        found[#found + 1] = key
        found[#found + 1] = redis.call('GETRANGE', key, first, first + b1 * 65536 + b2 * 256 + b3 - 1)
    end
end
return found
"""

COUNT: Final = """
local page = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3], 'TYPE', 'string')
return {page[1], #page[2]}
"""

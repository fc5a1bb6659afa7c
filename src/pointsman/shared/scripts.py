"""The Lua scripts of shared health: what is merged on the server, by the server's clock, in one round trip.

A window is kept as `opened until closed openings` in milliseconds of the server's clock. On the wire all moments are
relative (so long ago, so long from now), so no replica's clock matters.
"""

from __future__ import annotations

_WINDOWS = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- No moment lies in the future and no window is longer than the longest there is, even after the clock was set back.
local function window(opened, till, closed, openings)
    return {
        opened = math.min(tonumber(opened), now), till = math.min(tonumber(till), now + 900000),
        closed = math.min(tonumber(closed), now), openings = tonumber(openings)
    }
end

local function stored(subject)
    local text = redis.call('HGET', KEYS[1], subject)
    if not text then return nil end
    return window(string.match(text, '^(%S+) (%S+) (%S+) (%S+)$'))
end

local function merged(one, other)
    if not one then return other end
    local result = {closed = math.max(one.closed, other.closed), opened = 0, till = 0, openings = 0}
    for _, each in ipairs({one, other}) do
        if each.opened > result.closed then
            result.opened = math.max(result.opened, each.opened)
            result.till = math.max(result.till, each.till)
            result.openings = math.max(result.openings, each.openings)
        end
    end
    if result.opened == 0 then result.opened = math.max(one.opened, other.opened) end
    return result
end

local function append(reply, subject, each)
    reply[#reply + 1] = subject
    reply[#reply + 1] = now - each.opened
    reply[#reply + 1] = each.till - now
    reply[#reply + 1] = now - each.closed
    reply[#reply + 1] = each.openings
end
"""

# KEYS: windows, leases. ARGV: subject, token, milliseconds.
# Replies {1} with the lease, else {0} and what is known of the subject.
TAKE_PROBE = (
    _WINDOWS
    + """
local reply = {0}
local known = stored(ARGV[1])
if known then append(reply, ARGV[1], known) end
local till, token = string.match(redis.call('HGET', KEYS[2], ARGV[1]) or '0 -', '^(%S+) (%S+)$')
if tonumber(till) > now and tonumber(till) <= now + tonumber(ARGV[3]) and token ~= ARGV[2] then return reply end
if known and (known.closed >= known.opened or known.till > now) then return reply end
redis.call('HSET', KEYS[2], ARGV[1], string.format('%.0f', now + ARGV[3]) .. ' ' .. ARGV[2])
return {1}
"""
)

# KEYS: windows, leases, facts (epoch, version), replicas.
# ARGV: replica, milliseconds until it is forgotten, epoch and version that it has seen, milliseconds of a lease,
#       number of changes and each (subject, opened ago, left, closed ago, openings),
#       number of leases to end and each (subject, token), likewise those to keep.
# Replies {epoch, version, number of replicas, every window ...}; without windows when nothing is new.
EXCHANGE = (
    _WINDOWS
    + """
local at = 6
local function take()
    at = at + 1
    return ARGV[at - 1]
end

redis.call('HSETNX', KEYS[3], 'epoch', string.format('%.0f', time[1] * 1000000 + time[2]))
local epoch = redis.call('HGET', KEYS[3], 'epoch')
for _ = 1, tonumber(take()) do
    local subject = take()
    local opened, left, closed = now - take(), now + take(), now - take()
    local new = merged(stored(subject), window(opened, left, closed, take()))
    redis.call('HSET', KEYS[1], subject,
        string.format('%.0f %.0f %.0f %.0f', new.opened, new.till, new.closed, new.openings))
    redis.call('HINCRBY', KEYS[3], 'version', 1)
end
for _ = 1, tonumber(take()) do
    local subject, token = take(), take()
    local lease = redis.call('HGET', KEYS[2], subject)
    if lease and string.match(lease, ' (%S+)$') == token then redis.call('HDEL', KEYS[2], subject) end
end
for _ = 1, tonumber(take()) do
    local subject, token = take(), take()
    local lease = redis.call('HGET', KEYS[2], subject)
    if not lease or string.match(lease, ' (%S+)$') == token then
        redis.call('HSET', KEYS[2], subject, string.format('%.0f', now + ARGV[5]) .. ' ' .. token)
    end
end
if tonumber(ARGV[2]) > 0 then
    redis.call('ZADD', KEYS[4], now, ARGV[1])
    redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', '(' .. string.format('%.0f', now - ARGV[2]))
else
    redis.call('ZREM', KEYS[4], ARGV[1])
end
local version = redis.call('HGET', KEYS[3], 'version') or '0'
local reply = {epoch, version, redis.call('ZCARD', KEYS[4])}
if epoch == ARGV[3] and version == ARGV[4] then return reply end
for _, subject in ipairs(redis.call('HKEYS', KEYS[1])) do
    local each = stored(subject)
    if math.max(each.opened, each.till, each.closed) < now - 900000 then
        redis.call('HDEL', KEYS[1], subject)
    else
        append(reply, subject, each)
    end
end
return reply
"""
)

"""What runs inside of Redis: `windows.SlidingLog` for several windows in one hash, and a pause. Each call is one step.

Moments are microseconds of the server's clock and never leave it: what is returned are durations. Numbers are doubles
in Lua, exact up to the year 2255. The clock may be set back, and then an entry may end later than one made now would:
it is counted as made now, so that nothing is forgotten too early and nothing is held back for longer than a window.
"""

from __future__ import annotations

__all__ = ["PAUSE", "TAKE"]

_CLOCK = """
local key = KEYS[1]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local function get(field)
  return tonumber(redis.call('HGET', key, field) or nil)
end

local function set(field, value)
  redis.call('HSET', key, field, string.format('%.0f', value))
end

local function pause_left()
  local from, till = get('paused_from'), get('paused_until')
  if not till then return 0 end
  if from > now then  -- the clock was set back
    till = now + till - from
    set('paused_from', now)
    set('paused_until', till)
  end
  return math.max(0, till - now)
end

local function keep(microseconds)
  redis.call('PEXPIRE', key, string.format('%.0f', math.ceil(microseconds / 1000) + 1))
end
"""

TAKE = (
    _CLOCK
    + """
local cost, rates, longest = tonumber(ARGV[1]), ARGV[2], 0
local known = redis.call('HGET', key, 'rates')
if known and known ~= rates then return {-1, known} end

local function entry(window, place)
  local ends, permits = string.match(redis.call('HGET', key, window .. ':' .. place), '(%d+) (%d+)')
  return tonumber(ends), tonumber(permits)
end

local function put(window, place, ends, permits)
  redis.call('HSET', key, window .. ':' .. place, string.format('%.0f %.0f', ends, permits))
end

local wait, windows = pause_left(), {}
for n = 1, (#ARGV - 2) / 3 do
  local limit, length, grain = tonumber(ARGV[3 * n]), tonumber(ARGV[3 * n + 1]), tonumber(ARGV[3 * n + 2])
  local first, after, used = get('first' .. n) or 0, get('after' .. n) or 0, get('used' .. n) or 0
  local latest = now + length
  for place = after - 1, first, -1 do
    local ends, permits = entry(n, place)
    if ends <= latest then break end
    put(n, place, latest, permits)  -- the clock was set back
  end
  local missing, ready = used + cost - limit, now
  for place = first, after - 1 do
    local ends, permits = entry(n, place)
    if ends <= now then
      redis.call('HDEL', key, n .. ':' .. place)
      first, used = place + 1, used - permits
    elseif missing > 0 then
      ready = ends
    else
      break
    end
    missing = missing - permits
  end
  set('first' .. n, first)
  set('used' .. n, used)
  wait, longest = math.max(wait, ready - now), math.max(longest, length)
  windows[n] = {length = length, grain = grain, first = first, after = after, used = used}
end

if wait == 0 then
  for n, window in ipairs(windows) do
    local ends = now + window.length
    if window.after > window.first and now - get('began' .. n) <= window.grain then
      local _, permits = entry(n, window.after - 1)
      put(n, window.after - 1, ends, permits + cost)  -- counts from its last grant: late, never early
    else
      put(n, window.after, ends, cost)
      set('after' .. n, window.after + 1)
      set('began' .. n, now)
    end
    set('used' .. n, window.used + cost)
  end
end
redis.call('HSET', key, 'rates', rates)
keep(math.max(longest, wait))
return {wait, rates}
"""
)
"""Take permits: the key; cost, rates as text, then for each window its limit, its length and its grain in microseconds.

Gives 0, or the microseconds after which they may be free, or -1 and the other rates that the key is in use with.
"""

PAUSE = (
    _CLOCK
    + """
local pause = tonumber(ARGV[1])
if pause_left() < pause then
  set('paused_from', now)
  set('paused_until', now + pause)
end
keep(math.max(pause, redis.call('PTTL', key) * 1000))
return 0
"""
)
"""Let nobody have a permit: the key; for how many microseconds."""

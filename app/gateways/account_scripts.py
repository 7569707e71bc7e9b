"""What Redis decides about an account in one step, with its own clock: the clocks of our machines need not agree.

Times are in microseconds. A clock of Redis's that was set back must not keep anybody waiting until it has caught up, so what is
stored counts for no more than can have been meant.
"""

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
"""

ADMIT = (
    _NOW
    + """
-- KEYS: breaker, lane. ARGV: between two calls, for how long calls may come early, patience, rest of the breaker.
local between, early, patience, rest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local shut_until = math.min(tonumber(redis.call('HGET', KEYS[1], 'shut_until') or 0), now + rest)
if shut_until > now then
  return {'shut', shut_until - now}
end
-- When the next call is due, if calls came evenly.
local due = math.min(tonumber(redis.call('GET', KEYS[2]) or 0), now + early + patience + between)
due = math.max(due, now)
local wait = math.max(0, due - early - now)
if wait > patience then
  return {'full', wait}
end
if shut_until > 0 then
  -- It has rested. This call finds out how things are; until it has, or is lost, nobody else goes.
  redis.call('HSET', KEYS[1], 'shut_until', now + rest)
end
due = due + between
redis.call('SET', KEYS[2], due, 'PX', math.ceil((due - now) / 1000) + 1000)
return {'go', wait}
"""
)
"""Whether a call may go, and in how many microseconds: `go`, `full` (too many wait already) or `shut` (the breaker is)."""

FAILED = (
    _NOW
    + """
-- KEYS: breaker. ARGV: failures that shut it, its rest, for how many milliseconds a failure is remembered.
local failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if failures < tonumber(ARGV[1]) then
  return 0
end
local was_shut = redis.call('HEXISTS', KEYS[1], 'shut_until')
redis.call('HSET', KEYS[1], 'shut_until', now + tonumber(ARGV[2]))
return 1 - was_shut
"""
)
"""1 if it was this failure that shut the breaker."""

ANSWERED = """
-- KEYS: breaker.
local was_shut = redis.call('HEXISTS', KEYS[1], 'shut_until')
redis.call('DEL', KEYS[1])
return was_shut
"""
"""1 if the breaker was shut until now."""

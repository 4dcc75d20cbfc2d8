-- The store's side of leases: imtag_core::leases::store, which says what each rule is for, as a script. A test holds the two
-- equal. All moments are whole milliseconds of a clock of its own.
--
-- KEYS[1]  the app's hash
-- ARGV     run, holder, slots, window, seq, acknowledged, holds a lease (0 or 1), clock of the last answer (-1: none), at
--          least, at most;
--          then each operation's name, keep, want, rejected ago (-1: none), round trip, slots given back ("0 12 1002")
-- Answer   clock, known (0 or 1), slots, window; then of each operation what is granted ("0 300") and how many to give back
--
-- Fields of the hash:
--   state           run, clock, real, epoch, looked, slots, window
--   slots:add       level, missing, when it was cut, what that left, how many slots of the pool are free, and when each of the
--                   others is; so each operation
--   process:HOLDER  seq, lease end; of each operation held, want, round trip, extra since, last extra

local LEASE, STEP, TRANSIT, LOOK, AHEAD = 5000, 2000, 5, 100, 3
local TURN, TURN_ROUND_TRIPS = 4000, 40
local SLOT, RECOVERED, SLOW, SETTLED = 1000000, 84000, 20000, 2000

local key = KEYS[1]
local floor, max, min = math.floor, math.max, math.min

local function numbers(text)
  local list = {}
  for number in string.gmatch(text, '%S+') do
    list[#list + 1] = tonumber(number)
  end
  return list
end

-- The message.

local message = {
  run = ARGV[1], holder = ARGV[2], slots = tonumber(ARGV[3]), window = tonumber(ARGV[4]),
  seq = tonumber(ARGV[5]), acknowledged = tonumber(ARGV[6]), holds_lease = ARGV[7] == '1',
  clock = tonumber(ARGV[8]), at_least = tonumber(ARGV[9]), at_most = tonumber(ARGV[10]),
}
local operations = {}
for place = 11, #ARGV - 5, 6 do
  operations[#operations + 1] = {
    name = ARGV[place], keep = tonumber(ARGV[place + 1]), want = tonumber(ARGV[place + 2]),
    rejected = tonumber(ARGV[place + 3]), round_trip = tonumber(ARGV[place + 4]),
    given_back = numbers(ARGV[place + 5]),
  }
end

local time = redis.call('TIME')
time = tonumber(time[1]) * 1000 + floor(tonumber(time[2]) / 1000)

-- The state, as it is read and written.

local state, slots = nil, {}
local own = 'process:' .. message.holder
local processes = {} -- those that were read, by field

-- unpack cannot take as many as there may be
local function from(list, first)
  local rest = {}
  for place = first, #list do
    rest[#rest + 1] = list[place]
  end
  return rest
end

-- what is free is free since 0: most slots of most operations are
local function read_pool(kept)
  local pool = {}
  for place = 1, kept[5] do
    pool[place] = 0
  end
  for place = 6, #kept do
    pool[#pool + 1] = kept[place]
  end
  return pool
end

local function write_pool(pool)
  local free = 0
  while pool[free + 1] and pool[free + 1] <= state.clock do
    free = free + 1
  end
  return free .. ' ' .. table.concat(pool, ' ', free + 1)
end

local function cooling(window)
  return window + math.ceil(window / 500)
end

local function hold(window)
  return 2000 + cooling(window)
end

local function empty(free)
  local pool = {}
  for place = 1, state.slots do
    pool[place] = free
  end
  return { level = 0, missing = 0, cut_at = 0, cut_left = 0, pool = pool }
end

local function read_process(text)
  local list = numbers(text)
  local process = { seq = list[1], lease_end = list[2] }
  for place = 1, #operations do
    local first = 5 * place - 2
    process[place] = {
      held = list[first], want = list[first + 1], round_trip = list[first + 2],
      extra_since = list[first + 3], last_extra = list[first + 4],
    }
  end
  return process
end

local function write_process(field, process)
  local list = { process.seq, process.lease_end }
  for _, share in ipairs(process) do
    for _, name in ipairs({ 'held', 'want', 'round_trip', 'extra_since', 'last_extra' }) do
      list[#list + 1] = share[name]
    end
  end
  redis.call('HSET', key, field, table.concat(list, ' '))
end

local function new_process()
  local process = { seq = 0, lease_end = 0 }
  for place = 1, #operations do
    process[place] = { held = 0, want = 0, round_trip = 0, extra_since = 0, last_extra = 0 }
  end
  return process
end

local function read_slots(text)
  local kept = text and numbers(text)
  if not kept then
    return empty(state.clock + hold(state.window))
  end
  return { level = kept[1], missing = kept[2], cut_at = kept[3], cut_left = kept[4], pool = read_pool(kept) }
end

-- An operation is read when it is first looked at: most messages say nothing of most operations.
setmetatable(slots, { __index = function(_, place)
  slots[place] = read_slots(redis.call('HGET', key, 'slots:' .. operations[place].name))
  return slots[place]
end })

local function read()
  local texts = redis.call('HMGET', key, 'state', own)
  local run, rest = string.match(texts[1] or '', '^(%S+) (.*)$')
  if run ~= message.run then
    -- another run of the store may have lost what came after this
    redis.call('DEL', key)
    state = { clock = time, real = time, epoch = time + LEASE, looked = 0, slots = message.slots, window = message.window }
    for place in ipairs(operations) do
      slots[place] = empty(state.epoch + hold(state.window))
    end
    return
  end
  local list = numbers(rest)
  state = { clock = list[1], real = list[2], epoch = list[3], looked = list[4], slots = list[5], window = list[6] }
  processes[own] = texts[2] and read_process(texts[2]) or nil
end

local function write()
  local list = { message.run, state.clock, state.real, state.epoch, state.looked, state.slots, state.window }
  local fields = { 'state', table.concat(list, ' ') }
  for place, operation in ipairs(operations) do
    local it = rawget(slots, place)
    if it then
      fields[#fields + 1] = 'slots:' .. operation.name
      fields[#fields + 1] = table.concat({ it.level, it.missing, it.cut_at, it.cut_left, write_pool(it.pool) }, ' ')
    end
  end
  redis.call('HSET', key, unpack(fields))
end

-- The pool, in order.

local function put(it, count, free)
  local pool = it.pool
  local place = #pool
  while place > 0 and pool[place] > free do
    pool[place + count] = pool[place]
    place = place - 1
  end
  for offset = 1, count do
    pool[place + offset] = free
  end
end

-- The cap.

local function cap_level(it)
  local full = state.slots * SLOT
  if it.cut_at == 0 then
    return full
  end
  local t = min(state.clock - it.cut_at, RECOVERED)
  local growth = 2 * t
  if t > SLOW then
    growth = floor((floor(t * t * t / 1000000000) + 16000) * 10 / 6)
  end
  return min(it.cut_left + state.slots * growth, full)
end

local function cap(it)
  return floor(cap_level(it) / SLOT)
end

local function cut(it, sent)
  if it.cut_at == 0 or sent > it.cut_at + SETTLED then
    it.cut_left = max(floor(cap_level(it) / 10) * 9, SLOT)
    it.cut_at = state.clock
    state.looked = 0
  end
end

-- Who is to hold how many.

local function target(it, share)
  return min(share.want, it.level + (share.extra_since > 0 and 1 or 0))
end

local function rank(share)
  local had = state.clock - share.extra_since
  if share.extra_since == 0 then
    return 1, share.last_extra
  elseif had < max(TURN, TURN_ROUND_TRIPS * share.round_trip) then
    return 0, had
  end
  return 2, share.extra_since
end

local function share_out(it, shares)
  local wants = {}
  for place, share in ipairs(shares) do
    wants[place] = share.want
  end
  table.sort(wants)
  local left, count, left_over = cap(it), #wants, 0
  it.level = left
  for _, want in ipairs(wants) do
    if want * count > left then
      it.level = floor(left / count)
      left_over = left % count
      break
    end
    left = left - want
    count = count - 1
  end
  local hungry = {}
  for place, share in ipairs(shares) do
    if share.want > it.level then
      local class, since = rank(share)
      hungry[#hungry + 1] = { class, since, place }
    end
  end
  table.sort(hungry, function(a, b)
    if a[1] ~= b[1] then return a[1] < b[1] end
    if a[2] ~= b[2] then return a[2] < b[2] end
    return a[3] < b[3]
  end)
  local has_extra = {}
  for place = 1, min(left_over, #hungry) do
    has_extra[hungry[place][3]] = true
  end
  for place, share in ipairs(shares) do
    if has_extra[place] and share.extra_since == 0 then
      share.extra_since, share.changed = state.clock, true
    elseif not has_extra[place] and share.extra_since > 0 then
      share.extra_since, share.last_extra, share.changed = 0, state.clock, true
    end
  end
  local wanted = state.slots - cap(it)
  for _, share in ipairs(shares) do
    wanted = wanted + max(target(it, share) - share.held, 0)
  end
  local soon = 0
  while it.pool[soon + 1] and it.pool[soon + 1] <= state.clock + cooling(state.window) do
    soon = soon + 1
  end
  it.missing = max(wanted - soon, 0)
end

-- The rule, step by step.

local function advance()
  local now
  if time >= state.real then
    now = state.clock + min(time - state.real, STEP)
  end
  if message.clock >= 0 and (not now or now > message.clock + message.at_most + TRANSIT) then
    now = message.clock + message.at_least
  end
  state.clock = max(state.clock, min(now or state.clock, state.clock + STEP))
  state.real = time
end

local function read_all()
  local all = redis.call('HGETALL', key)
  for place = 1, #all, 2 do
    local field = all[place]
    if string.sub(field, 1, 8) == 'process:' and field ~= own then
      processes[field] = read_process(all[place + 1])
    end
  end
end

local function look()
  if state.looked > 0 and state.clock < state.looked + LOOK then
    return
  end
  state.looked = state.clock
  read_all()
  local names = {}
  for field, process in pairs(processes) do
    if process.lease_end + hold(state.window) <= state.clock then
      for place in ipairs(operations) do
        put(slots[place], process[place].held, state.clock)
      end
      processes[field] = nil
      redis.call('HDEL', key, field)
    else
      names[#names + 1] = field
    end
  end
  table.sort(names)
  for place in ipairs(operations) do
    local shares = {}
    for number, field in ipairs(names) do
      shares[number] = processes[field][place]
    end
    share_out(slots[place], shares)
  end
  for _, field in ipairs(names) do
    for place in ipairs(operations) do
      if processes[field][place].changed then
        write_process(field, processes[field])
        break
      end
    end
  end
end

local function others_live()
  if processes[own] then
    return true
  end
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if string.sub(field, 1, 8) == 'process:' then
      return true
    end
  end
  return false
end

local function start_anew()
  local before = hold(state.window)
  state.slots, state.window, state.looked = message.slots, message.window, 0
  local free = state.clock + max(before, hold(message.window))
  for place in ipairs(operations) do
    local pool = slots[place].pool
    slots[place] = empty(max(free, pool[#pool] or 0))
  end
end

local function believed()
  local process = new_process()
  if state.clock >= state.epoch or not message.holds_lease then
    return process
  end
  for place, operation in ipairs(operations) do
    if operation.keep > #slots[place].pool then
      return process
    end
  end
  for place, operation in ipairs(operations) do
    for _ = 1, operation.keep do
      table.remove(slots[place].pool)
    end
    process[place].held = operation.keep
  end
  return process
end

local function settle(process)
  local known = true
  for place, operation in ipairs(operations) do
    known = known and operation.keep <= process[place].held
  end
  local unacknowledged = 0
  if process.seq > 0 and message.acknowledged ~= process.seq then
    unacknowledged = cooling(state.window)
  end
  for place, operation in ipairs(operations) do
    local share = process[place]
    if known then
      table.sort(operation.given_back, function(a, b) return a > b end)
      for number = 1, share.held - operation.keep do
        put(slots[place], 1, state.clock + (operation.given_back[number] or 0) + unacknowledged)
      end
      share.held = operation.keep
    elseif share.held > 0 then
      put(slots[place], share.held, state.clock + hold(state.window))
      share.held = 0
    end
  end
  return known
end

local function grant(it, share)
  local wanted = target(it, share)
  local reserve = state.slots - cap(it)
  local count, list = 0, {}
  while share.held < wanted and #it.pool - count > reserve do
    local free = it.pool[count + 1]
    if free > state.clock + (share.held < AHEAD and cooling(state.window) or 0) then
      break
    end
    count = count + 1
    list[count] = max(free - state.clock, 0)
    share.held = share.held + 1
  end
  if count > 0 then
    it.pool = from(it.pool, count + 1)
  end
  local give_back = min(max(share.held - wanted, 0), it.missing)
  it.missing = it.missing - give_back
  return table.concat(list, ' '), give_back
end

read()
advance()
look()
local answer = { state.clock, 1, state.slots, state.window }
local is_refused = false
if state.slots ~= message.slots or state.window ~= message.window then
  if others_live() then
    answer[2] = 0
    is_refused = true
  else
    start_anew()
    answer[3], answer[4] = state.slots, state.window
  end
end
local process = processes[own]
if is_refused or (process and message.seq <= process.seq) then
  for _ in ipairs(operations) do
    answer[#answer + 1] = ''
    answer[#answer + 1] = 0
  end
else
  process = process or believed()
  if not settle(process) then
    answer[2] = 0
  end
  process.seq = message.seq
  process.lease_end = state.clock + LEASE
  for place, operation in ipairs(operations) do
    local share = process[place]
    if operation.rejected >= 0 then
      cut(slots[place], max(state.clock - operation.rejected, 0))
    end
    share.want, share.round_trip = operation.want, operation.round_trip
    local granted, give_back = '', 0
    if share.want > 0 or share.held > 0 then
      granted, give_back = grant(slots[place], share)
    end
    answer[#answer + 1], answer[#answer + 2] = granted, give_back
  end
  write_process(own, process)
end
write()
return answer

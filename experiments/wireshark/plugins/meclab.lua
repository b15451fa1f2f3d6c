-- The lab's probes, and the stamps that P4 switches write into them (meclab/packets.py, dataplane/programs/headers.p4).

local meclab = Proto("meclab", "MEC lab probe")

local PORT = 9007
local PROBE_BYTES, STAMP_BYTES, SLOTS = 40, 8, 8

local f = meclab.fields
f.version = ProtoField.uint8("meclab.version", "Version")
f.kind = ProtoField.uint8("meclab.kind", "Kind", base.DEC, { [0] = "request", [1] = "reply" })
f.device = ProtoField.string("meclab.device", "Device")
f.sequence = ProtoField.uint32("meclab.sequence", "Sequence number")
f.sent = ProtoField.absolute_time("meclab.sent", "Sent", base.LOCAL)
f.host = ProtoField.string("meclab.host", "Answered by")
f.hops = ProtoField.uint16("meclab.hops", "Switches so far")
f.stamp = ProtoField.none("meclab.stamp", "Stamp")
f.switch = ProtoField.uint16("meclab.switch", "Switch")
f.time = ProtoField.uint64("meclab.time", "Came in (µs)")
f.delay = ProtoField.double("meclab.delay_ms", "Since the switch before (ms)")

local function text(range)
    return (range:string():gsub("%z+$", ""))
end

local function dissect_stamps(range, tree)
    local hops = range(0, 2):uint()
    tree:add(f.hops, range(0, 2))
    local before
    for slot = 0, math.min(hops, SLOTS) - 1 do
        local stamp = range(2 + slot * STAMP_BYTES, STAMP_BYTES)
        local number, time = stamp(0, 2):uint(), stamp(2, 6):uint64()
        local branch = tree:add(f.stamp, stamp)
        branch:add(f.switch, stamp(0, 2))
        branch:add(f.time, stamp(2, 6), time)
        branch:set_text(string.format("Stamp %d: switch %d", slot + 1, number))
        if before then
            local delay = (time - before):tonumber() / 1000
            branch:add(f.delay, stamp(2, 6), delay):set_generated()
            branch:append_text(string.format(", %.3f ms after the one before", delay))
        end
        before = time
    end
end

function meclab.dissector(buffer, packet, root)
    if buffer:len() < PROBE_BYTES or buffer(0, 4):string() ~= "MECP" then
        return 0
    end
    local tree = root:add(meclab, buffer())
    local reply = buffer(5, 1):uint() == 1
    tree:add(f.version, buffer(4, 1))
    tree:add(f.kind, buffer(5, 1))
    tree:add(f.device, buffer(6, 10), text(buffer(6, 10)))
    tree:add(f.sequence, buffer(16, 4))
    local sent = buffer(20, 8):uint64()
    tree:add(f.sent, buffer(20, 8), NSTime.new((sent / 1000000000):tonumber(), (sent % 1000000000):tonumber()))
    if reply then
        tree:add(f.host, buffer(28, 12), text(buffer(28, 12)))
    end
    packet.cols.protocol = "PROBE"
    local words = reply and " answered by " .. text(buffer(28, 12)) or ""
    packet.cols.info = string.format("%s %d%s", text(buffer(6, 10)), buffer(16, 4):uint(), words)
    if buffer:len() >= PROBE_BYTES + 2 + SLOTS * STAMP_BYTES then
        dissect_stamps(buffer(PROBE_BYTES), tree)
    end
    return buffer:len()
end

DissectorTable.get("udp.port"):add(PORT, meclab)
